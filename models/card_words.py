"""What a card says of a training, in words: loss, optimiser, material and licence follow from net and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from subpixel.models.architecture import Architecture
from subpixel.models.card import DATA, LICENCE

PIXEL_LOSS = "mean squared error of luma"
CLIP_CURVE = "every twelfth frame of Vid4 draws the curve and chooses nothing"
SET5_CURVE = "Set5 draws the curve and chooses nothing"

# architecture -> its loss, where that isn't the mean squared error of luma
LOSSES = {
    "vdsr": "mean squared error of luma, a batch of one scale at a time",
    "vespcn": "mean squared error of luma, of the warped neighbours, and Huber's measure of the flow's roughness",
    "spmc": "mean squared error of luma, of the warped neighbours, and Huber's measure of the flow's roughness",
    "spmc-recurrent": "as spmc's, summed over the windows of a sequence",
    "enhancenet": "mean squared error of Y (0.75) and of RGB (0.25)",
    "enhancenet-pat": "of pixels, perceptual (features of EfficientNet-Lite0, ImageNet), of texture (Gram matrices of "
    "such features) and adversarial, in the proportions of `models/adversarial.py` or of the command's --loss",
    "srpgan-pre": "Charbonnier's of RGB",
    "srpgan": "Charbonnier's of RGB, perceptual (features of its own discriminator) and adversarial, in the "
    "proportions of `models/adversarial.py` or of the command's --loss",
}
ADVERSARIAL = ("enhancenet-pat", "srpgan")

FOLDERS = {
    "T91": "T91",
    "BSD200": "BSDS300's training images",
    "BSDS500test": "BSDS500's test images",
    "photos": "twelve photographs",
    "video": "real clips",
}
CLIPS_LICENCE = (
    "The clips are of open-source projects (Apache-2.0, BSD, CC0, CC-BY) whose licences name the repositories, not "
    "always the footage; two are research clips without a stated licence."
)
FEATURES_LICENCE = (
    "The perceptual loss looked through EfficientNet-Lite0, trained on ImageNet: the package's weights are Apache-2.0; "
    "of ImageNet's images the same holds as of ours."
)


@dataclass(frozen=True)
class Words:
    """The texts of a card that the training decides."""

    loss: str
    optimiser: str
    data: str
    curve: str
    licence: str


def words(chosen: Architecture, commands: Sequence[str]) -> Words:
    """Of a net trained by these commands."""
    return Words(
        loss=loss(chosen, commands),
        optimiser="SOAP for the net, Adam for the discriminator" if chosen.name in ADVERSARIAL else "SOAP",
        data=data_in_words(chosen, commands),
        curve=CLIP_CURVE if chosen.material == "clips" else SET5_CURVE,
        licence=licence(chosen, commands),
    )


def loss(chosen: Architecture, commands: Sequence[str]) -> str:
    """The loss of the stages, one of which may have asked for Charbonnier's."""
    usual = LOSSES.get(chosen.name, PIXEL_LOSS)
    if not any("--criterion charbonnier" in command for command in commands):
        return usual
    return f"{usual}; where the command says so, Charbonnier's in place of the square"


def data_in_words(chosen: Architecture, commands: Sequence[str]) -> str:
    """What was cut from which folders of the commands."""
    named = [FOLDERS.get(folder, folder) for folder in folders(commands)]
    listed = listing(named)
    if chosen.material == "clips":
        return (
            f"Windows of frames are cut at random from {listed}, equally often from each, mirrored and turned; "
            "a camera that pans, turns and zooms makes sequences of the stills."
        )
    if chosen.material == "luma" and DATA.startswith(f"Patches are cut at random from {listed},"):
        return DATA
    kind = {"rgb": "RGB patches", "scales": "Patches of every scale"}.get(chosen.material, "Patches")
    return f"{kind} are cut at random from {listed}, equally often from each, mirrored and turned."


def folders(commands: Sequence[str]) -> list[str]:
    """The names of the ``--data`` folders, each once, in order."""
    parts = [part for command in commands for part in re.findall(r"--data[ =](\S+)", " ".join(shlex.split(command)))]
    return list(dict.fromkeys(part.rstrip("/").rpartition("/")[2] for part in parts))


def listing(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def licence(chosen: Architecture, commands: Sequence[str]) -> str:
    """The paragraph on weights and data, and one more for clips and for the features of a perceptual loss."""
    more = [CLIPS_LICENCE] if "video" in folders(commands) else []
    more += [FEATURES_LICENCE] if chosen.name == "enhancenet-pat" else []
    return "".join([LICENCE, *(f"\n{text}\n" for text in more)])
