"use strict";
// The page of `hpo serve`: sends one picture, shows its classes, and maps what speaks for them.

const MOST_BARS = 10;
const at = (id) => document.getElementById(id);
let picture = null;
let likeliest = "";
let limits = { bytes: Infinity };
let asked = 0; // the newest picture's number: answers about earlier ones come too late

class Refusal extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

async function ask(path, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Refusal(0, "The server cannot be reached. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const first = (answer.predictions ?? [])[0];
  throw new Refusal(response.status, first?.error ?? answer.error ?? `The server answered ${response.status}.`);
}

function complain(error) {
  at("status").textContent = "";
  at("access").hidden = error.status !== 401;
  const token = sessionStorage.getItem("token") ? "That is not the token of this server." : "This server needs its token.";
  at("problem").textContent = error.status === 401 ? token : error.message;
  if (error.status === 401) at("token").focus();
}

async function introduce() {
  try {
    const about = await ask("model");
    limits = about.limits;
    document.title = `${about.model}: classify pictures`;
    const names = about.classes.slice(0, 12).join(", ");
    const more = about.classes.length > 12 ? `, and ${about.classes.length - 12} more` : "";
    at("about").textContent = `${about.model} tells apart: ${names}${more}.`;
    at("problem").textContent = "";
    at("access").hidden = true;
  } catch (error) {
    complain(error);
  }
}

async function classify(file) {
  const mine = ++asked;
  picture = file;
  hideHeat();
  at("problem").textContent = "";
  at("result").hidden = true;
  at("status").textContent = "Classifying …";
  try {
    if (file.size > limits.bytes) {
      throw new Refusal(413, `A picture may have ${(limits.bytes / 1e6).toFixed(0)} MB. This one has ${(file.size / 1e6).toFixed(1)} MB.`);
    }
    const [answer] = (await ask(`predict?top=${MOST_BARS}`, { method: "POST", body: file })).predictions;
    if (mine === asked) show(file, answer.classes);
  } catch (error) {
    if (mine === asked) complain(error);
  }
}

function show(file, classes) {
  const preview = at("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(file);
  preview.alt = `Your picture${file.name ? `, ${file.name}` : ""}`;
  likeliest = classes[0].class;
  at("class").textContent = likeliest;
  at("bars").replaceChildren(...classes.map(bar));
  at("result").hidden = false;
  at("status").textContent = `${likeliest}, ${percent(classes[0].probability)}.`;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function bar({ class: name, probability }) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  const drawn = document.createElement("progress");
  drawn.value = probability;
  drawn.ariaHidden = "true"; // the number beside it says the same
  const cells = [drawn, percent(probability)].map((content) => {
    const cell = document.createElement("td");
    cell.append(content);
    return cell;
  });
  row.append(head, ...cells);
  return row;
}

function hideHeat() {
  at("heat").hidden = true;
  at("legend").hidden = true;
  at("explain").ariaPressed = "false";
}

async function explain() {
  if (at("explain").ariaPressed === "true") return hideHeat();
  const mine = asked;
  at("status").textContent = "Covering one part after the other …";
  at("problem").textContent = "";
  at("explain").disabled = true;
  try {
    const answer = await ask(`explain?class=${encodeURIComponent(likeliest)}`, { method: "POST", body: picture });
    if (mine !== asked) return;
    at("status").textContent = draw(answer);
    at("explain").ariaPressed = "true";
  } catch (error) {
    if (mine === asked) complain(error);
  } finally {
    at("explain").disabled = false;
    at("explain").focus();
  }
}

// Draws one pixel a cell; the browser smooths them over the picture. Returns what it shows in words.
function draw({ class: name, falls }) {
  const cells = falls.flat();
  const most = Math.max(...cells.map(Math.abs), 0.01);
  const small = new ImageData(falls[0].length, falls.length);
  cells.forEach((fall, i) => {
    const colour = fall > 0 ? [230, 97, 0] : [26, 111, 223];
    small.data.set([...colour, 200 * Math.abs(fall) / most], 4 * i);
  });
  const source = Object.assign(document.createElement("canvas"), { width: small.width, height: small.height });
  source.getContext("2d").putImageData(small, 0, 0);
  const heat = at("heat");
  [heat.width, heat.height] = [at("preview").clientWidth || 256, at("preview").clientHeight || 256];
  const pen = heat.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, 0, 0, heat.width, heat.height);
  const largest = cells.indexOf(Math.max(...cells));
  const words = `The ${place(largest, falls.length)} of the picture speaks most for ${name}: covered, its probability falls by ${(100 * Math.max(...cells, 0)).toFixed(1)} points.`;
  heat.ariaLabel = words;
  heat.hidden = at("legend").hidden = false;
  at("explained").textContent = name;
  return words;
}

function place(cell, size) {
  const third = (n) => Math.min(2, Math.floor((3 * n) / size));
  const row = ["top", "middle", "bottom"][third(Math.floor(cell / size))];
  const column = ["left", "centre", "right"][third(cell % size)];
  return row === "middle" && column === "centre" ? "centre" : `${row} ${column}`;
}

function take(files) {
  const [file] = files;
  if (file) classify(file);
}

at("file").addEventListener("change", (event) => { take(event.target.files); event.target.value = ""; });
at("explain").addEventListener("click", explain);
at("preview").addEventListener("error", () => { at("preview").alt = "This browser cannot show pictures of this format."; });
at("access").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", at("token").value);
  introduce();
});
document.addEventListener("paste", (event) => take(event.clipboardData.files));
document.addEventListener("dragover", (event) => { event.preventDefault(); at("drop").classList.add("over"); });
document.addEventListener("dragleave", () => at("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  take(event.dataTransfer.files);
});
introduce();
