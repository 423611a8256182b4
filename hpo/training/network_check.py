"""Runs a user's network file and builds its networks, in a process of its own.

`python -m hpo.training.network_check`, started by `hpo.search.networks`. The file may print, sleep,
crash or end the process: nothing but this process then ends, and the coordinator says why.
"""

from __future__ import annotations

import faulthandler
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.training.network_messages import Build, Built, Declare, Declared
from models.errors import ModelError
from models.source import Source
from studies.network_files import NetworkFile, catalogue_of, declare

if TYPE_CHECKING:
    import keras

    from models.backbone import Backbone
    from models.catalogue import Catalogue
    from models.config import ModelConfig

PRINTED = 2_000
"""Characters that are shown of what a file prints, from its end."""


def main() -> None:
    """Answers one line of standard input after the other."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines = iter(sys.stdin.buffer.readline, b"")
    asked = Declare.model_validate_json(next(lines))
    sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123 - a file must not read what is meant for us
    import keras  # noqa: F401 - outside of the time that the file itself is given

    declared = _declared(asked)
    answers.write(declared.model_dump_json() + "\n")
    answers.flush()
    for line in lines:
        build = Build.model_validate_json(line)
        with _within(asked.limit_s), _printing() as printed:
            answer = _built(declared.files, build)
        said = answer.model_copy(update={"printed": printed.getvalue()[-PRINTED:]})
        answers.write(said.model_dump_json() + "\n")
        answers.flush()


def _declared(asked: Declare) -> Declared:
    with _within(asked.limit_s), _printing() as printed:
        try:
            files = tuple(declare(Source(file.name, file.text)) for file in asked.files)
            catalogue_of(files)  # refuses two networks of one name
            found = Declared(files=files)
        except ModelError as error:
            found = Declared(problem=str(error))
    return found.model_copy(update={"printed": printed.getvalue()[-PRINTED:]})


@contextmanager
def _within(limit_s: float) -> Iterator[None]:
    """Ends the process, and prints where it was, if what is done inside takes too long."""
    faulthandler.dump_traceback_later(limit_s, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def _printing() -> Iterator[io.StringIO]:
    with redirect_stdout(io.StringIO()) as printed:
        yield printed


def _built(files: tuple[NetworkFile, ...], build: Build) -> Built:
    catalogue = catalogue_of(files)
    row = catalogue.find(build.model.backbone)
    file = next(file for file in files if file.source.digest == row.code)
    try:
        return _try(build, row, catalogue, file)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a network may raise anything, exit() among it
        problem = file.source.problem(error, row.name)
        return Built(problem=f"{problem}\n    while {build.label} was built")


def _try(build: Build, row: Backbone, catalogue: Catalogue, file: NetworkFile) -> Built:
    """Builds a network as trials and exports do.

    Raises:
        Exception: Whatever goes wrong.
    """
    import numpy as np

    from models.companion import register_classes
    from models.export import whole_model
    from models.network import build_network, copy_weights, count_parameters

    config = build.model
    _require_output(row, config)
    network = build_network(config, seed=0, catalogue=catalogue)
    other = build_network(config, seed=1, catalogue=catalogue)
    if {id(v) for v in network.head.variables} & {id(v) for v in other.head.variables}:
        raise ModelError(
            "A network's layers must be made within its function, so that each trial has its own. "
            "Received: layers that are made outside of it. Move them into the function."
        )
    size_px = config.image_size_px
    network.head(np.zeros((2, size_px, size_px, 3), np.float32), training=True)
    model = whole_model(
        config, class_names=[f"class {n}" for n in range(config.classes)], catalogue=catalogue
    )
    try:
        copy_weights(network, model)
    except ModelError:
        raise ModelError(
            "A network's layers must have the same names each time it is built. Received: others "
            "the second time. Give them fixed names, or none."
        ) from None
    built = Built(parameters=count_parameters(network))
    if not build.thoroughly:
        return built
    layers = register_classes(file.source)
    needs = _load_again(model, file, layers)
    return built.model_copy(update={"needs_layers": needs, "layers": layers if needs else ()})


def _require_output(row: Backbone, config: ModelConfig) -> None:
    """Raises ModelError unless a network returns what it should."""
    import keras

    size_px = config.image_size_px
    images = keras.Input((size_px, size_px, 3), dtype="float32")
    returned = row.build(images, **row.arguments(config))
    if not isinstance(returned, keras.KerasTensor):
        raise ModelError(
            f"{row.name}() must return the symbolic output of its last layer. "
            f"Received: {_kind(returned)}"
        )
    shape = tuple(returned.shape)
    if row.output:
        units = 1 if row.output == "sigmoid" else config.classes
        allowed = {(None, units), (None, 1)} if _may_be_one(row, config) else {(None, units)}
        if shape not in allowed or (row.output == "sigmoid" and config.classes != 2):
            raise ModelError(
                f"{row.name}() has output={row.output!r} and must return {(None, units)} for "
                f"{config.classes} classes. Received: {shape}."
            )
    elif len(shape) not in (2, 4) or None in shape[1:]:
        raise ModelError(
            f"{row.name}() must return a feature map (batch, height, width, channels) or a vector "
            f"(batch, channels) of fixed size. Received: {shape}."
        )
    if not keras.backend.is_float_dtype(returned.dtype):
        raise ModelError(f"{row.name}() must return floats. Received: {returned.dtype}.")
    keras.Model(images, returned)  # refuses what is not made of the images


def _may_be_one(row: Backbone, config: ModelConfig) -> bool:
    return row.output == "logits" and config.classes == 2


def _kind(returned: Any) -> str:
    if returned is None:
        return "None. Is its `return` missing?"
    if type(returned).__name__ in ("Functional", "Sequential", "Model"):
        return f"a keras.{type(returned).__name__}. Return what it gives for the images."
    return f"a {type(returned).__name__}."


def _load_again(model: keras.Model, file: NetworkFile, layers: tuple[str, ...]) -> bool:
    """Saves a model and loads it as somebody without this program does.

    Returns:
        Whether Keras needs the file's own layers for it.

    Raises:
        ModelError: It cannot be loaded.
    """
    import keras

    from models.companion import layers_text, run_layers
    from models.export import foreign_in

    known = keras.saving.get_custom_objects()
    before, foreign = dict(known), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        try:
            model.save(path)
            foreign = foreign_in(path)
            known.clear()
            if foreign:
                run_layers(layers_text(file.source, {n.name for n in file.networks}, layers))
            keras.saving.load_model(path)
        except Exception as error:
            raise _not_loaded(error, foreign) from error
        finally:
            known.clear()
            known.update(before)
        return bool(foreign)


def _not_loaded(error: Exception, foreign: Sequence[str]) -> ModelError:
    if any(name.endswith(("Lambda", "__lambda__")) for name in foreign):
        return ModelError(
            "A network must not have Lambda layers: Keras refuses to load them, since a file with "
            "one can run any code. Use keras.ops, or a layer class of your own."
        )
    first = _first(error)
    text = f"{type(first).__name__}: {first}".splitlines()[0][:300].rstrip(".")
    return ModelError(
        f"Keras must be able to load an exported network. Received: {text}. A layer of your own "
        "needs a get_config() with the arguments that it is made from."
    )


def _first(error: BaseException) -> BaseException:
    """Returns the error that led to this one."""
    while below := error.__cause__ or error.__context__:
        error = below
    return error


if __name__ == "__main__":
    main()
