"""OpenCV's dnn_superres, its frames piped into FFmpeg: ``by_superres.py MODEL.pb FFMPEG IN OUT``.

pip's OpenCV has no H.264 encoder of its own, and its writer no sound.
"""

from __future__ import annotations

import subprocess
import sys

import cv2
from frames import OPTIONS, SCALE

if __name__ == "__main__":
    model, ffmpeg, source, target = sys.argv[1:]
    net = cv2.dnn_superres.DnnSuperResImpl_create()
    net.readModel(model)
    net.setModel("espcn", SCALE)
    video = cv2.VideoCapture(source)
    width, height = (SCALE * int(video.get(at)) for at in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    encoding = [word for key, value in OPTIONS.items() for word in (f"-{key}", value)]
    encoder = subprocess.Popen(
        [ffmpeg, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}",
         "-r", str(video.get(cv2.CAP_PROP_FPS)), "-i", "-", "-i", source, "-map", "0:v", "-map", "1:a?",
         "-vf", "scale=out_color_matrix=bt601:out_range=tv,format=yuv420p",
         "-c:v", "libx264", *encoding, "-c:a", "copy", target],
        stdin=subprocess.PIPE,
    )  # fmt: skip
    assert encoder.stdin is not None
    while True:
        more, frame = video.read()
        if not more:
            break
        encoder.stdin.write(net.upsample(frame).tobytes())
    encoder.stdin.close()
    sys.exit(encoder.wait())
