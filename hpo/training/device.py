"""The device a worker computes on, and what arithmetic is fast there.

Must be asked before anything else of TensorFlow runs in the process: threads and memory growth
can't be changed later.
"""

from __future__ import annotations

from dataclasses import dataclass

from data_pipeline.system import memory_bytes, processor_flags

SMALL_IMAGE_PX = 32
"""Below this size a step is all overhead, and converting to bfloat16 costs more than it saves."""


@dataclass(frozen=True)
class Device:
    """What a worker trains on.

    Attributes:
        name: For people to read, e.g. `CPU, 2 threads` or `GPU NVIDIA H200`.
        is_gpu: Whether it is a GPU.
        fast_precision: The Keras dtype policy in which it multiplies matrices fastest; not every
            network gains from it, see `hpo.training.calibration`.
        jit_compile: Whether steps are compiled by XLA, which pays on GPUs only: small networks
            train 2 to 6 times slower with it on a CPU.
        memory_bytes: Memory that this process may use at most; None where it is not known.
    """

    name: str
    is_gpu: bool
    fast_precision: str
    jit_compile: bool
    memory_bytes: int | None = None


def set_up(device: str, threads: int, image_size_px: int) -> Device:
    """Prepares TensorFlow in this process and says what it will compute on.

    Args:
        device: `auto`, `cpu` or `gpu`.
        threads: CPU threads this worker may use.
        image_size_px: Size of the images it will train on.

    Raises:
        ValueError: `gpu` was asked for and TensorFlow sees none.
    """
    import tensorflow as tf

    gpus = [] if device == "cpu" else tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise ValueError(
            "--device gpu needs a GPU that TensorFlow sees. Received: none. "
            "In the project's folder: pip install '.[gpu]'; or use --device cpu."
        )
    if image_size_px < SMALL_IMAGE_PX:
        # Rewriting a graph of small tensors takes longer than it saves in a whole trial.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if not gpus:
        tf.config.experimental.enable_op_determinism()  # costs nothing on a CPU (measured)
        name = f"CPU, {threads} threads"
        return Device(name, False, cpu_precision(), False, memory_bytes())
    details = tf.config.experimental.get_device_details(gpus[0])
    return Device(
        f"GPU {details.get('device_name', '')}".strip(), True, _gpu_precision(details), True
    )


def as_it_is() -> Device:
    """Returns the device of a process that TensorFlow may have computed in already."""
    import tensorflow as tf

    is_gpu = bool(tf.config.get_visible_devices("GPU"))
    return Device("GPU" if is_gpu else "CPU", is_gpu, "float32", is_gpu)


def cpu_precision() -> str:
    """bfloat16 where the CPU multiplies it in hardware (twice as fast), else float32."""
    has_bfloat16 = processor_flags() & {"amx_bf16", "avx512_bf16"}
    return "mixed_bfloat16" if has_bfloat16 else "float32"


def _gpu_precision(details: dict[str, object]) -> str:
    """bfloat16 from Ampere (8.0) on, float16 on Volta and Turing (7.x), float32 before."""
    capability = details.get("compute_capability")
    major = capability[0] if isinstance(capability, tuple) else 0
    if major >= 8:
        return "mixed_bfloat16"
    return "mixed_float16" if major == 7 else "float32"
