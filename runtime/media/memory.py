"""Whether a result fits in memory, asked before work starts: an encoder holds dozens of frames at once."""

from __future__ import annotations

from pathlib import Path

from subpixel.errors import BadInputError

# Copies of a coded 4:2:0 frame alive at once: x264 veryfast with its references and lookahead takes about 45 at 4K, the
# two channels and the model's float planes some 15 more.
HELD_FRAMES = 60
LARGEST_PICTURE = (2**31 - 1) // 8  # libavutil's own limit
MEMINFO = Path("/proc/meminfo")
MODEL_BYTES = 6  # for each pixel of the model's result: the result, its tile and, for most formats, floats


def refuse_too_large(size: tuple[int, int], enlarged: tuple[int, int], sample_bytes: int) -> None:
    """Raises ``BadInputError`` when frames coded as ``size`` (W, H), ``enlarged`` by the model, can't be held here."""
    for width, height in (size, enlarged):
        if (width + 128) * (height + 128) > LARGEST_PICTURE:
            raise BadInputError(
                f"the result would be {width}x{height}, more than FFmpeg can hold in one picture ({LARGEST_PICTURE} "
                "pixels); take a model of a smaller factor"
            )
    coded = HELD_FRAMES * size[0] * size[1] * sample_bytes * 3 // 2
    needed, free = coded + MODEL_BYTES * enlarged[0] * enlarged[1], free_bytes()
    if free is not None and needed > free:
        raise BadInputError(
            f"frames of {size[0]}x{size[1]} need about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; "
            "ask for a smaller result with --to or --size, or take a model of a smaller factor"
        )


def free_bytes() -> int | None:
    """Memory that can be had without swapping, as Linux tells; ``None`` elsewhere."""
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None
