"""Self-training: the rate rule, crash-free going on to the bit, symmetries, back-projection, what it is good for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from subpixel.errors import BadInputError, BundleError  # noqa: E402
from subpixel.gate_images import GATE_SET, read_luma  # noqa: E402
from subpixel.models.blur_kernels import Gaussian, Plane, reduced  # noqa: E402
from subpixel.models.patches import turn  # noqa: E402
from subpixel.models.reduction import Reduction  # noqa: E402
from subpixel.models.self_ensemble import (  # noqa: E402
    INVERSES,
    back_projected,
    enlarged,
    ensemble,
    gradual_factors,
    self_enlarged,
)
from subpixel.models.self_training import RateRule, SelfRecipe, SelfTrainer, fathers, fitted_slope  # noqa: E402
from subpixel.models.zssr import Zssr  # noqa: E402
from subpixel.quality.metrics import psnr_db  # noqa: E402
from subpixel.quality.resize import resize, upscale  # noqa: E402

BLUR = Gaussian(2.2, 1.4, 0.6)
SMALL = SelfRecipe(steps=8, crop_px=24, check_every=2)


@pytest.fixture(scope="module")
def picture() -> Plane:
    """A piece of a real one, HR."""
    return read_luma(GATE_SET / "gate_stream_720x480.webp")[100:228, 200:328]


@pytest.fixture(scope="module")
def lr(picture: Plane) -> Plane:
    return reduced(picture, BLUR.kernel(2), 2)


def trainer(lr: Plane, recipe: SelfRecipe = SMALL) -> SelfTrainer:
    return SelfTrainer([lr], Reduction(2, 2.0, BLUR.kernel(2)), recipe)


def test_the_slope_is_that_of_least_squares_with_its_standard_error() -> None:
    random = np.random.default_rng(3)
    x, y = list(range(0, 200, 25)), list(random.random(8))
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    found = fitted_slope(x, y)
    assert found[0] == pytest.approx(slope)
    assert found[1] == pytest.approx(np.sqrt(covariance[0, 0]))


def test_the_rate_stays_while_the_error_falls_and_drops_when_it_doesnt() -> None:
    rule, random = RateRule(), np.random.default_rng(1)
    for step in range(40):
        rule.add(25 * step, 1.0 - 0.02 * step + 1e-4 * random.random())
    assert rule.factor == 1.0
    for step in range(40, 52):
        rule.add(25 * step, 0.2 + 1e-2 * random.random())
    assert rule.factor < 1.0
    assert not rule.finished
    for step in range(52, 120):
        rule.add(25 * step, 0.2 + 1e-2 * random.random())
    assert rule.finished


def test_after_a_drop_the_rule_waits_for_as_many_new_points() -> None:
    rule = RateRule(points=5)
    for step in range(5):
        rule.add(step, 1.0)
    assert rule.factor == 0.1
    for step in range(5, 9):
        rule.add(step, 1.0)
        assert rule.factor == 0.1
    rule.add(9, 1.0)
    assert rule.factor == pytest.approx(0.01)


def test_the_rate_of_the_recipe_rises_stays_and_falls() -> None:
    recipe = SelfRecipe(steps=100, warmup=10, tail=0.5)
    assert recipe.rate(0, 0) == pytest.approx(recipe.lr / 10)
    assert recipe.rate(40, 0) == pytest.approx(recipe.lr)
    assert recipe.rate(100, 0) == pytest.approx(recipe.lr / 100)
    assert replace(recipe, seconds=10.0).rate(20, 10.0) == pytest.approx(recipe.lr / 100), "time counts as steps do"


def test_going_on_from_a_checkpoint_gives_the_same_weights(lr: Plane, tmp_path: Path) -> None:
    whole, first = trainer(lr), trainer(lr)
    whole.run()
    for _ in range(3):
        first.step()
    first.save(tmp_path / "state.pt", "key")
    second = trainer(lr)
    second.resume(tmp_path / "state.pt", "key")
    assert second.progress.step == 3
    second.run()
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name
    assert second.rule.errors == whole.rule.errors


def test_a_checkpoint_of_another_input_or_a_damaged_one_is_refused(lr: Plane, tmp_path: Path) -> None:
    it = trainer(lr)
    it.save(tmp_path / "state.pt", "key")
    with pytest.raises(BadInputError, match="another input"):
        it.resume(tmp_path / "state.pt", "other")
    (tmp_path / "state.pt").write_bytes(b"cut")
    with pytest.raises(BundleError, match="can't be read"):
        it.resume(tmp_path / "state.pt", "key")


def test_fathers_are_smaller_and_smaller_and_a_tiny_image_is_refused() -> None:
    assert [father.shape[0] for father in fathers(np.zeros((40, 60)))] == [40, 36, 32, 28, 24, 20]
    assert len(fathers(np.zeros((16, 60)))) == 1
    with pytest.raises(BadInputError, match="60x15"):
        fathers(np.zeros((15, 60)))


def test_untrained_it_is_bicubic(lr: Plane) -> None:
    net = Zssr(2)
    net.initialise(torch.rand(4, 1, 16, 16))
    with torch.no_grad():
        made = net(torch.from_numpy(lr[None, None].astype(np.float32)))[0, 0].numpy()
    assert np.abs(made - upscale(lr, 2)).max() < 1e-5


def test_the_graph_and_the_test_path_agree(lr: Plane) -> None:
    torch.manual_seed(2)
    net = Zssr(2)
    with torch.no_grad():
        made = net(torch.from_numpy(lr[None, None].astype(np.float32)))[0, 0].numpy()
    assert np.abs(made - enlarged(net, lr, (2 * lr.shape[0], 2 * lr.shape[1]))).max() < 1e-5


def test_every_symmetry_has_its_inverse() -> None:
    plane = np.random.default_rng(0).random((3, 5))
    for way, inverse in enumerate(INVERSES):
        assert np.array_equal(turn(turn(plane, way), inverse), plane)


def symmetric_net() -> Zssr:
    """Every filter is the same from all eight sides."""
    torch.manual_seed(5)
    net = Zssr(2)
    with torch.no_grad():
        for layer in net.layers:
            kernel = layer.weight
            turned = [kernel.rot90(k, (2, 3)) for k in range(4)]
            turned += [one.transpose(2, 3) for one in turned]
            layer.weight.copy_(torch.stack(turned).mean(0))
    return net


@pytest.mark.parametrize("kernel", [None, Gaussian(2.0, 0.7, 0.0).kernel(2)], ids=["eight ways", "four ways"])
def test_the_ensemble_of_a_symmetric_net_is_the_net(kernel: Plane | None) -> None:
    net, lr = symmetric_net(), np.random.default_rng(8).random((9, 14))
    reduction = Reduction(2, 2.0, kernel)
    made = ensemble(net, lr, reduction, (18, 28), rounds=0)
    assert np.abs(made - enlarged(net, lr, (18, 28))).max() < 1e-6


def test_the_ensemble_of_any_net_turns_with_the_picture() -> None:
    torch.manual_seed(6)
    net, lr = Zssr(2), np.random.default_rng(9).random((8, 12))
    reduction = Reduction(2, 2.0)
    upright = ensemble(net, lr, reduction, (16, 24), rounds=2)
    lying = ensemble(net, np.ascontiguousarray(lr.T[::-1]), reduction, (24, 16), rounds=2)
    assert np.abs(lying - upright.T[::-1]).max() < 1e-6


@pytest.mark.parametrize("kernel", [None, BLUR.kernel(2)], ids=["bicubic", "gaussian"])
def test_back_projection_leads_to_a_result_that_reduces_to_the_image(picture: Plane, kernel: Plane | None) -> None:
    reduction = Reduction(2, 2.0, kernel)
    lr = reduction.son(picture)
    start = np.asarray(upscale(lr, 2))
    errors = [np.abs(reduction.son(back_projected(start, lr, reduction, n)) - lr).mean() for n in (0, 2, 8, 30)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 5
    assert np.array_equal(back_projected(picture, lr, reduction, 3), picture), "nothing to correct, nothing changed"


def test_factors_of_the_gradual_enlargement() -> None:
    assert gradual_factors(4, 2) == (2.0, 4.0)
    assert gradual_factors(2, 3) == pytest.approx((2 ** (1 / 3), 2 ** (2 / 3), 2.0))


def test_it_beats_bicubic_where_the_kernel_isnt_bicubic(picture: Plane, lr: Plane) -> None:
    recipe = SelfRecipe(steps=40, crop_px=40)
    made, it = self_enlarged(lr, 2, BLUR.kernel(2), recipe)
    assert psnr_db(made, picture, 2) > psnr_db(resize(lr, *picture.shape), picture, 2) + 1.0
    assert it.progress.step == 40


def test_sizes_in_between_end_at_the_wanted_size(picture: Plane, lr: Plane) -> None:
    recipe = SelfRecipe(steps=12, crop_px=40)
    made, it = self_enlarged(lr, 2, BLUR.kernel(2), recipe, gradual_factors(2, 2))
    assert made.shape == picture.shape
    assert len(it.fathers) > len(fathers(lr)), "the image in between was learnt from too"
    assert psnr_db(made, picture, 2) > psnr_db(resize(lr, *picture.shape), picture, 2)
