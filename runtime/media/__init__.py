"""Image and video files in and out.

>>> from subpixel.media import UpscaleOptions, upscale_file
>>> upscale_file("holiday.mp4", "holiday-x3.mp4", UpscaleOptions(model="espcn-x3"))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subpixel.media.batch import FileResult, Job, find_jobs, upscale_files
from subpixel.media.files import upscale_file
from subpixel.media.images_kinds import ImageOptions, ImageReport, is_image
from subpixel.media.options import UpscaleOptions
from subpixel.media.receipt import VideoReport
from subpixel.media.size import SizeWish
from subpixel.media.video import read_frames, upscale_video

if TYPE_CHECKING:
    from subpixel.media.images import upscale_image

__all__ = [
    "FileResult",
    "ImageOptions",
    "ImageReport",
    "Job",
    "SizeWish",
    "UpscaleOptions",
    "VideoReport",
    "find_jobs",
    "is_image",
    "read_frames",
    "upscale_file",
    "upscale_files",
    "upscale_image",
    "upscale_video",
]


def __getattr__(name: str) -> Any:
    """``upscale_image`` brings Pillow with it, which videos don't need: it is imported when it is asked for."""
    if name != "upscale_image":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from subpixel.media.images import upscale_image

    return upscale_image
