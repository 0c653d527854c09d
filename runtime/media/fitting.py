"""A finished frame as the encoder takes it: its size, its format, its tags."""

from __future__ import annotations

from dataclasses import replace

from av.video.frame import PictureType, VideoFrame

from subpixel.media.encoder import Encoding
from subpixel.media.enlarge import padded
from subpixel.media.probe import VideoInfo
from subpixel.media.scaling import Scaler, Shape


class FrameFitter:
    """For frames of ``info``'s working format and colours."""

    def __init__(self, encoding: Encoding, info: VideoInfo) -> None:
        self._encoding, self._info = encoding, info
        self._converter: Scaler | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The frame, brought to the encoder's size and format."""
        frame = padded(frame, *self._encoding.size)
        if frame.format.name != self._encoding.pixel_format:
            frame = self._converted(frame)
        frame.pict_type = PictureType.NONE  # else the old key frames would be forced on the encoder
        self._encoding.tags.put_on(frame)
        return frame

    def _converted(self, frame: VideoFrame) -> VideoFrame:
        if self._converter is None:
            given, coded, siting = self._info.tags, self._encoding.tags, self._info.siting.name
            shape = Shape(frame.width, frame.height, frame.format.name, given.range, given.matrix, siting)
            wanted = replace(shape, format=self._encoding.pixel_format, range=coded.range, matrix=coded.matrix)
            self._converter = Scaler(shape, wanted)
        return self._converter(frame)
