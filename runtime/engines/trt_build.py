"""ONNX to a TensorRT plan: one way for TensorRT 8.6, 10, 11 and RTX, branching on what the module has.

The module is given, never imported here: the engine builds on its GPU, `subpixel.export` ahead of time without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from subpixel.errors import EngineError, faults_as

# Frame sides that plans are built for: common video sizes exactly, so that neighbours share a plan.
SIDES_PX = (64, 128, 240, 360, 480, 540, 640, 720, 768, 960, 1080, 1280, 1440, 1920, 2160, 2560, 3840, 4320, 7680, 8192)
PRECISION_FLAGS = {"fp32": None, "fp16": "FP16", "bf16": "BF16", "int8": "INT8"}


@dataclass(frozen=True)
class ShapeProfile:
    """The largest input a plan takes; every smaller one down to 1x1 fits too. It is tuned for the largest."""

    batch: int
    height: int
    width: int

    def holds(self, batch: int, height: int, width: int) -> bool:
        """Whether an input of this size fits."""
        return batch <= self.batch and height <= self.height and width <= self.width


def profile_for(batch: int, height: int, width: int) -> ShapeProfile:
    """The profile of the next sides in ``SIDES_PX``; a longer side is taken as it is."""
    return ShapeProfile(batch, _side(height), _side(width))


def _side(length: int) -> int:
    return min((side for side in SIDES_PX if side >= length), default=length)


def build_plan(
    model: bytes, trt: ModuleType, profile: ShapeProfile, precision: str, compute_capability: str | None = None
) -> bytes:
    """Parse ``model`` (ONNX, ``[N, ..., H, W]``) and build its serialised plan.

    ``trt``: the module ``tensorrt`` or ``tensorrt_rtx``; ``precision``: what the graph is written in (``fp32``,
    ``fp16``, ``bf16``, ``int8`` with QDQ nodes). ``compute_capability``: ``"SM86"`` builds ahead of time for such a
    GPU, without one here (TensorRT-RTX only); ``None`` builds for the GPU at hand.
    Raises ``EngineError`` with TensorRT's own words.
    """
    logger = recorder(trt)
    doing = f"{trt.__name__} {trt.__version__} can't build the model"
    with faults_as(EngineError, doing):
        builder = trt.Builder(logger)
        network = builder.create_network(_creation_flags(trt))
        _parse(trt, network, logger, model, doing)
        config = builder.create_builder_config()
        _set_precision(trt, config, precision)
        _set_target(trt, config, compute_capability)
        _add_profile(builder, config, network, profile)
        plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{doing}: {logger.text()}")
    return bytes(plan)


def recorder(trt: ModuleType) -> Any:
    """A logger that keeps TensorRT's warnings and errors instead of printing them: its calls fail without words."""

    base: Any = trt.ILogger

    class Recorder(base):  # type: ignore[misc]  # the base class is known at run time only
        def __init__(self) -> None:
            base.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(message)

        def text(self) -> str:
            return "; ".join(self.errors) or "it gave no reason"

    return Recorder()


def is_strongly_typed(trt: ModuleType) -> bool:
    """Whether the graph's own types decide the arithmetic: can be said in TensorRT 10, is always so without flags."""
    return hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED") or not hasattr(trt.BuilderFlag, "FP16")


def _creation_flags(trt: ModuleType) -> int:
    """Explicit batch where it is still said (8.6 needs it), strong typing where it exists."""
    kinds = trt.NetworkDefinitionCreationFlag
    return sum(1 << int(getattr(kinds, name)) for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if hasattr(kinds, name))


def _parse(trt: ModuleType, network: Any, logger: Any, model: bytes, doing: str) -> None:
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        reasons = "; ".join(str(parser.get_error(at)).strip() for at in range(parser.num_errors))
        raise EngineError(f"{doing}: its parser refuses it: {reasons or logger.text()}")


def _set_precision(trt: ModuleType, config: Any, precision: str) -> None:
    """fp32 means fp32, not TF32. Weakly typed TensorRT (8.6) needs a flag for every smaller type in the graph."""
    flags = trt.BuilderFlag
    if precision == "fp32" and hasattr(flags, "TF32"):
        config.clear_flag(flags.TF32)
    needed = PRECISION_FLAGS[precision]
    if needed is None or is_strongly_typed(trt):
        return
    if not hasattr(flags, needed):  # bf16 on 8.6
        raise EngineError(f"{trt.__name__} {trt.__version__} has no {precision}; use another variant of the model")
    config.set_flag(getattr(flags, needed))


def _set_target(trt: ModuleType, config: Any, compute_capability: str | None) -> None:
    if not hasattr(config, "set_compute_capability"):
        if compute_capability is not None:
            raise EngineError(f"{trt.__name__} builds only on the GPU that will run it; use tensorrt_rtx for others")
        return
    target = getattr(trt.ComputeCapability, compute_capability or "CURRENT", None)
    if target is None:
        have = ", ".join(sorted(name for name in dir(trt.ComputeCapability) if name.startswith("SM")))
        raise EngineError(f"{trt.__name__} {trt.__version__} can't build for {compute_capability}; it can for {have}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(target, 0)


def _add_profile(builder: Any, config: Any, network: Any, largest: ShapeProfile) -> None:
    """One optimisation profile over the free axes: the first is N, the last two are H and W."""
    profile, is_free = builder.create_optimization_profile(), False
    for tensor in (network.get_input(at) for at in range(network.num_inputs)):
        shape = tuple(tensor.shape)
        if -1 not in shape:
            continue
        limits = {0: largest.batch, len(shape) - 2: largest.height, len(shape) - 1: largest.width}
        most = tuple(limits.get(axis, size) if size == -1 else size for axis, size in enumerate(shape))
        if -1 in most:
            raise EngineError(f"input {tensor.name!r} has free axes {shape}; only N, H and W can be free")
        profile.set_shape(tensor.name, tuple(1 if size == -1 else size for size in shape), most, most)
        is_free = True
    if is_free:
        config.add_optimization_profile(profile)
