"""Warping in both directions, with grids that follow the frame's size: what is traced at one size holds at all.

Flow is ``[N, 2, H, W]`` in LR pixels: how many columns to the right (channel 0) and rows down (channel 1) the pixel of
one frame is found in the other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional


def lattice(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns ``[1, 1, W]`` and rows ``[1, H, 1]`` of ``like`` ``[N, C, H, W]``, from 0.

    ``arange`` of the shape: ``linspace`` and ``meshgrid`` are frozen at the traced size when exported.
    """
    columns = torch.arange(like.shape[3], device=like.device, dtype=torch.float32)[None, None, :]
    rows = torch.arange(like.shape[2], device=like.device, dtype=torch.float32)[None, :, None]
    return columns, rows


def warp(image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Bilinear sampling of ``image`` ``[N, C, H, W]`` where the flow points; beyond the border the edge pixel.

    The sampler of spatial transformers, Jaderberg et al. 2015, arXiv:1506.02025, equation 5.
    """
    columns, rows = lattice(image)
    across = (2.0 * (columns + flow[:, 0]) + 1.0) / image.shape[3] - 1.0
    down = (2.0 * (rows + flow[:, 1]) + 1.0) / image.shape[2] - 1.0
    grid = torch.stack((across, down), dim=-1)
    return functional.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def scatter(values: torch.Tensor, flow: torch.Tensor, scale: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Sub-pixel motion compensation: every LR pixel is laid down where the flow sends it, on the grid ``scale`` finer.

    Tao et al. 2017, arXiv:1704.02738, equation 5: forward warping by the bilinear kernel of the fine grid. ``values``
    ``[N, C, H, W]``; gives the sums ``[N, C, s H, s W]`` and the sum of the weights ``[N, 1, s H, s W]``, 0 where
    nothing fell. What leaves the frame is lost. No parameters.
    """
    count, channels, height, width = values.shape
    columns, rows = lattice(values)
    across = (columns + flow[:, 0] + 0.5) * scale - 0.5
    down = (rows + flow[:, 1] + 0.5) * scale - 0.5
    laid = torch.cat((values, torch.ones_like(values[:, :1])), dim=1)
    places, parts = [], []
    for step_down in (0, 1):
        for step_across in (0, 1):
            place, weight = _corner(across, down, step_across, step_down, height * scale, width * scale)
            places.append(place.reshape(count, 1, height * width))
            parts.append((laid * weight[:, None]).reshape(count, channels + 1, height * width))
    index = torch.cat(places, dim=2).expand(-1, channels + 1, -1)
    empty = torch.zeros((count, channels + 1, height * scale * width * scale), dtype=values.dtype, device=values.device)
    total = empty.scatter_add(2, index, torch.cat(parts, dim=2))
    total = total.reshape(count, channels + 1, height * scale, width * scale)
    return total[:, :channels], total[:, channels:]


def _corner(
    across: torch.Tensor, down: torch.Tensor, step_across: int, step_down: int, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Index and weight ``[N, H, W]`` of one of the four fine pixels around each place; weight 0 outside the frame."""
    column, row = torch.floor(across) + step_across, torch.floor(down) + step_down
    weight = (1.0 - (across - column).abs()) * (1.0 - (down - row).abs())
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return place.long(), weight * inside.to(weight.dtype)
