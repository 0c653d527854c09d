"""The one driver of all targets: recipes one after the other, each through the gate, the first that passes is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from subpixel.bundle import Bundle
from subpixel.checking import Checked, check_variant, checked_from
from subpixel.choice import Candidate
from subpixel.engines.base import Request
from subpixel.engines.table import engine_row
from subpixel.errors import BadInputError
from subpixel.evidence import Evidence, with_evidence
from subpixel.measuring import ImageSet, Reference, gate_set, measure, onnx_reference
from subpixel.quality.gates import all_passed
from subpixel.quantize.calibration import Calibration, listed
from subpixel.quantize.targets import Made, Material, Quantiser, Recipe, quantiser
from subpixel.quantize.tuning import keep_float, plan_for
from subpixel.records import to_json

Method = Literal["auto", "plain", "calibrated", "qat"]
METHODS: tuple[Method, ...] = ("auto", "plain", "calibrated", "qat")
Told = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """``keep_float``: ``first``, ``last`` or names of layers; ``steps``: of fine-tuning; ``recipe``: one by its name.

    ``method``: ``plain``: the target's own tool on the untouched weights; ``calibrated``: weights rounded so that
    results stay; ``qat``: that, and then a short training; ``auto``: calibrated.
    """

    method: Method = "auto"
    keep_float: tuple[str, ...] = ()
    recipe: str | None = None
    seed: int = 0
    steps: int = 1500


@dataclass(frozen=True)
class Attempt:
    """One recipe tried: the bundle with the variant and its evidence."""

    name: str
    bundle: Bundle
    evidence: Evidence
    checked: Checked

    @property
    def passed(self) -> bool:
        """Every gate, on the target's engine or on the one that stands in for it."""
        return all_passed(self.evidence.verdicts)

    @property
    def loss_db(self) -> float:
        """The loss on the first set: orders what failed."""
        return next((v.figure for v in self.evidence.verdicts if v.gate == "int8 loss"), float("inf"))


def add_int8(
    bundle: Bundle, target: str, used: Calibration, options: Options = Options(),
    reference: Reference | None = None, sets: Sequence[ImageSet] = (), told: Told = lambda text: None,
    start: Bundle | None = None,
) -> Bundle:  # fmt: skip
    """The bundle with a target's int8 variant, its evidence (passed or failed) and the list of calibration frames.

    ``reference``: torch's net where it is at hand, else the bundle's ONNX; ``sets``: what the loss is judged on, else
    the gate set; ``told``: progress in words; ``start``: whose net is rounded in place of this one's, as ``attempts``
    has it. Raises ``BundleError``, ``BadInputError`` or ``MissingPackageError``.
    """
    return best(list(attempts(bundle, target, used, options, reference, sets, told, start))).bundle


def best(found: Sequence[Attempt]) -> Attempt:
    """The first that passed, else the one that lost least."""
    passed = [attempt for attempt in found if attempt.passed]
    return passed[0] if passed else min(found, key=lambda attempt: attempt.loss_db)


def attempts(
    bundle: Bundle, target: str, used: Calibration, options: Options,
    reference: Reference | None, sets: Sequence[ImageSet], told: Told, start: Bundle | None = None,
) -> Iterator[Attempt]:  # fmt: skip
    """Recipe by recipe until one passes.

    ``start``: a bundle of another net for the same work, one that is easier to round or faster when it is; that net is
    rounded, and judged as this bundle's all the same. Raises ``BadInputError`` when its contract is another.
    """
    _refuse_other_models(bundle)
    start = start or bundle
    _refuse_other_work(bundle, start)
    maker, material = quantiser(target), Material(start, used)
    maker.requires(material)
    judge = _Judge(bundle, material, reference or _own_reference(bundle), sets or (gate_set(bundle.spec.scale),))
    for name, made in _made(maker, material, options, told):
        told(f"{target}: {name}: measuring")
        attempt = judge.attempt(name, made)
        yield attempt
        if attempt.passed:
            return


def _refuse_other_models(bundle: Bundle) -> None:
    spec = bundle.spec
    if spec.family != "image" or spec.colour != "y":
        raise BadInputError(
            f"{spec.name}: found a {spec.family} model of {spec.colour}; only luma images can be quantised"
        )


def _refuse_other_work(bundle: Bundle, start: Bundle) -> None:
    """A variant is used by the bundle's contract, so it has to hold for what it is made from."""
    wanted, found = (to_json(replace(one.spec, name="", version="")) for one in (bundle, start))
    others = [f"{key} {found[key]}, needed {wanted[key]}" for key in wanted if found[key] != wanted[key]]
    if others:
        raise BadInputError(f"{start.spec.name} is no other net for {bundle.spec.name}: found {'; '.join(others)}")


def _own_reference(bundle: Bundle) -> Reference:
    return onnx_reference(Candidate(engine_row("onnxruntime"), bundle, bundle.reference, Request(precision="fp32")))


def _made(maker: Quantiser, material: Material, options: Options, told: Told) -> Iterator[tuple[str, Made]]:
    """Each recipe's variant, made when it is asked for."""
    kept = keep_float(material.graph, options.keep_float)
    if options.method == "plain":
        told(f"{maker.target}: plain")
        yield "plain: the target's own tool", maker.plain(material, kept)
        return
    for recipe in _chosen(maker, options):
        yield from _by_recipe(
            maker, material, replace(recipe, scheme=replace(recipe.scheme, keep_float=kept)), options, told
        )


def _chosen(maker: Quantiser, options: Options) -> tuple[Recipe, ...]:
    if options.recipe is None:
        return maker.recipes
    found = tuple(recipe for recipe in maker.recipes if recipe.name == options.recipe)
    if not found:
        have = ", ".join(recipe.name for recipe in maker.recipes)
        raise BadInputError(f"{maker.target} has no recipe {options.recipe!r}; there are: {have}")
    return found


def _by_recipe(
    maker: Quantiser, material: Material, recipe: Recipe, options: Options, told: Told
) -> Iterator[tuple[str, Made]]:
    def follow(layer: str) -> None:
        told(f"{maker.target}: {recipe.name}: {layer}")

    plan = plan_for(material.graph, material.used, recipe.scheme, "calibrated", follow)
    name = f"{recipe.name}, calibrated rounding: {recipe.text}"
    if options.method == "qat":
        from subpixel.quantize.qat import fine_tuned  # torch, for this method only

        def count(step: int) -> None:
            told(f"{maker.target}: {recipe.name}: step {step} of {options.steps}")

        plan = fine_tuned(material.graph, plan, material.used, options.steps, options.seed, count)
        name = f"{recipe.name}, trained {options.steps} steps after calibrated rounding: {recipe.text}"
    yield name, maker.write(material, recipe, plan)


@dataclass(frozen=True)
class _Judge:
    """What every attempt is held against; ``material``: what it was made from."""

    bundle: Bundle
    material: Material
    reference: Reference
    sets: Sequence[ImageSet]

    def attempt(self, name: str, made: Made) -> Attempt:
        """Through the gate; the evidence says the recipe and the frames."""
        bundle = self.bundle.plus(made.variant, made.blobs)
        checked = self._checked(bundle, made)
        assert checked.evidence is not None
        notes = (name, *made.notes, *self._origin, *checked.evidence.notes)
        evidence = replace(checked.evidence, status=made.status, notes=notes)
        return Attempt(name, self._with_list(with_evidence(bundle, evidence), made), evidence, checked)

    @property
    def _origin(self) -> tuple[str, ...]:
        """Said where the variant was made from another net."""
        start = self.material.bundle
        if start is self.bundle:
            return ()
        return (f"made from {start.spec.name}'s net ({start.reference.file.sha256}), judged against this bundle's",)

    def _checked(self, bundle: Bundle, made: Made) -> Checked:
        if made.stand_in is None:
            checked = check_variant(bundle, made.variant, self.reference, self.sets)
            if checked.evidence is None:
                raise BadInputError(f"{made.variant.id} can't be measured here: {checked.lines[0].reason}")
            return checked
        candidate = Candidate(engine_row(made.stand_in), bundle, made.variant, Request())
        return checked_from(made.variant, [measure(candidate, self.reference, self.sets)], self.reference)

    def _with_list(self, bundle: Bundle, made: Made) -> Bundle:
        frames = listed(made.variant.id, self.material.used)
        text = json.dumps(to_json(frames), indent=1) + "\n"
        return bundle.plus_file(f"evidence/{made.variant.id}.calibration.json", text.encode())
