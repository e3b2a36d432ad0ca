"""`vargpt-eval gen-metrics`: FID, KID, precision and recall, CLIP score of drawn images.

RUN/summary.json, key gen_metrics   figures, counts, extractor and reference that they belong to
RUN/samples/gen_metrics/*.parquet   an image a row, with its cosine where CLIP looked at it
RUN/.work/gen_metrics/              features; may be deleted once the figures are there
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from vargpt_eval.extracting.clip import ClipScorer, open_clip
from vargpt_eval.extracting.dinov2 import Dinov2Extractor, open_dinov2
from vargpt_eval.extracting.extraction import ExtractedImages, Networks, extract_features
from vargpt_eval.extracting.extractor import Extractor
from vargpt_eval.extracting.inception_extractor import InceptionExtractor, open_inception
from vargpt_eval.extracting.random_features import RandomExtractor
from vargpt_eval.generation.drawn_prompts import DrawnPrompts, texts_of
from vargpt_eval.generation.gen_figures import (
    HEADLINE_COSINE,
    NOT_COMPARABLE,
    NUM_IMAGES,
    TASK,
    Drawn,
    Figures,
    clip_figures,
    distance_figures,
    feature_figures,
    inception_score_figures,
)
from vargpt_eval.generation.image_sources import ImageEntry, open_images
from vargpt_eval.generation.known_files import INCEPTION_NAME
from vargpt_eval.generation.reference import Reference, reference_of_file
from vargpt_eval.generation.statistics_file import array_names
from vargpt_eval.hashes import text_sha256
from vargpt_eval.progress_lines import Progress
from vargpt_eval.report.drawn_examples import write_drawn_examples
from vargpt_eval.run_folder import RunFolder
from vargpt_schema import EVAL_SAMPLES, EvalSampleRecord, UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class GenMetricsConfig:
    """Which networks look at the images, and what they are set beside."""

    inception: Path | None = None  # weights; None: the seeded random extractor
    ref: Path | None = None  # statistics (.npz), or real images
    ref_images: Path | None = None  # real images, for what needs features of each
    clip: tuple[Path, ...] = ()
    dinov2: Path | None = None
    prompts: Path | None = None  # eval_prompts: captions, and which images should be there
    allow_missing: bool = False
    inception_score: bool = False
    centre_crop_px: int | None = None  # of real images
    batch_size: int = 32


class GenMetrics(NamedTuple):
    """What was measured, and the summary that holds it."""

    figures: dict[str, Any]
    summary: Path


def measure_drawn(
    generations: Path, out: Path, config: GenMetricsConfig, progress: Progress
) -> GenMetrics:
    """Score drawn images into a run's folder; run again it goes on where it stopped.

    UserError as `open_images`, for fewer images than prompts, images of several sizes, weights of
    another hash, a reference of another extractor, and nothing to measure.
    """
    _expect_something(config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source = open_images(generations)
    prompts = texts_of(source.entries, config.prompts, allow_missing=config.allow_missing)
    extractor = _extractor(config, device)
    dinov2 = None if config.dinov2 is None else open_dinov2(config.dinov2, device)
    clips = [open_clip(folder, device) for folder in config.clip]
    if clips and not prompts.kinds:
        raise UserError(
            f"{generations}: no text of the images found, which --clip needs. Give their prompts "
            "with --prompts FILE; image names are prompt ids."
        )
    extractors = [extractor, *([dinov2] if dinov2 else [])]
    work = out / ".work" / TASK
    reference, real = _reference(config, extractor, extractors, work, progress)
    extracted = extract_features(
        source,
        Networks(extractors=extractors, clips=clips),
        work / "drawn",
        progress,
        text_kinds=prompts.kinds if clips else (),
        texts=prompts.texts if clips else (),
        batch_size=config.batch_size,
    )
    figures = _figures(config, extracted, extractor, dinov2, clips, prompts, reference, real)
    folder = RunFolder(out)
    _write_samples(folder, extracted, prompts)
    write_drawn_examples(out, TASK, generations)
    return GenMetrics(figures, folder.set_task(TASK, figures))


def _extractor(config: GenMetricsConfig, device: torch.device) -> Extractor:
    if config.inception is None:
        return RandomExtractor()
    return open_inception(config.inception, device)


def _expect_something(config: GenMetricsConfig) -> None:
    if config.ref is None and config.ref_images is None and not config.clip:
        raise UserError(
            "gen-metrics: neither --ref nor --ref-images nor --clip found, at least one expected. "
            "Give statistics or real images, or the folder of a CLIP model."
        )
    if config.inception_score and config.inception is None:
        raise UserError(
            "--inception-score: no --inception found, its weights expected. `vargpt-eval doctor` "
            "says where to get them."
        )
    if config.dinov2 is not None and config.ref_images is None:
        raise UserError(
            "--dinov2: no --ref-images found, the real images expected, since files of statistics "
            "hold Inception's features."
        )
    if config.allow_missing and config.prompts is None:
        raise UserError(
            "--allow-missing: no --prompts found, the prompts that images may be missing of "
            "expected. Give them, or leave --allow-missing out."
        )
    has_images = config.ref_images is not None or (
        config.ref is not None and not _is_statistics(config.ref)
    )
    if config.centre_crop_px is not None and not has_images:
        raise UserError(
            "--centre-crop: no real images found, --ref or --ref-images with some expected. Leave "
            "it out: statistics are of images that were cropped before."
        )


def _reference(
    config: GenMetricsConfig,
    extractor: Extractor,
    extractors: Sequence[Extractor],
    work: Path,
    progress: Progress,
) -> tuple[Reference | None, ExtractedImages | None]:
    """Statistics to compare with, and the real images' features where they were given."""
    reference = None
    is_file = _is_statistics(config.ref)
    if is_file and config.ref is not None:
        reference = reference_of_file(
            config.ref,
            extractor.name,
            extractor.widths["pool_3"],
            may_lack_name=extractor.name == INCEPTION_NAME,
        )
    images = config.ref_images or (None if is_file else config.ref)
    if images is None:
        return reference, None
    real = extract_features(
        open_images(images),
        Networks(extractors=extractors),
        work / "real",
        progress,
        batch_size=config.batch_size,
        centre_crop_px=config.centre_crop_px,
    )
    if reference is None:
        statistics = real.folder.statistics("pool_3", extractor.name)
        reference = Reference(statistics, images.name, real.pixels_sha256)
    return reference, real


def _is_statistics(ref: Path | None) -> bool:
    """An archive of images has no `mu`; what is neither is read, and refused, as statistics."""
    if ref is None or ref.suffix != ".npz":
        return False
    names = array_names(ref)
    return "mu" in names or "arr_0" not in names


def _figures(
    config: GenMetricsConfig,
    extracted: ExtractedImages,
    extractor: Extractor,
    dinov2: Dinov2Extractor | None,
    clips: Sequence[ClipScorer],
    prompts: DrawnPrompts,
    reference: Reference | None,
    real: ExtractedImages | None,
) -> dict[str, Any]:
    is_random = isinstance(extractor, RandomExtractor)
    suffix = "_random" if is_random else ""
    prompt_ids = [entry.prompt_id for entry in extracted.kept]
    drawn = Drawn(extracted.folder, "pool_3", extractor.name, prompt_ids)
    metrics: Figures = {}
    if reference is not None:
        metrics |= distance_figures(drawn, reference, f"fid{suffix}")
    if real is not None:
        metrics |= feature_figures(drawn, real.folder.features("pool_3"), suffix)
    if dinov2 is not None and real is not None:
        token = Drawn(extracted.folder, "class_token", dinov2.name, prompt_ids)
        statistics = real.folder.statistics("class_token", dinov2.name)
        of_images = Reference(statistics, "images", real.pixels_sha256)
        metrics |= distance_figures(token, of_images, "fd_dinov2")
    if config.inception_score and isinstance(extractor, InceptionExtractor):
        metrics |= inception_score_figures(drawn)
    kinds = [f"cosine {clip.size} {kind}" for clip in clips for kind in prompts.kinds]
    metrics |= clip_figures(drawn, kinds, extracted.num_truncated)
    n = len(extracted.kept)
    return {
        "task": TASK,
        "title": "Drawn images",
        "headline": next(iter(metrics)),
        "n": n,
        "num_items": NUM_IMAGES,
        "is_subset": n != NUM_IMAGES,
        "n_error": len(extracted.undecodable) + prompts.num_missing,
        "n_truncated": max(extracted.num_truncated.values(), default=0),
        "n_fallback": 0,
        "num_missing": prompts.num_missing,
        "undecodable": extracted.undecodable,
        "metrics": metrics,
        "stamp": NOT_COMPARABLE if is_random and reference is not None else None,
        "extractor": extractor.name,
        "clip": {clip.size: clip.name for clip in clips},
        "reference": None
        if reference is None
        else {
            "name": reference.name,
            "sha256": reference.sha256,
            "num_images": reference.statistics.num_images,
        },
        "real_pixels_sha256": None if real is None else real.pixels_sha256,
        "image_size_px": list(extracted.size_px),
        "pixels_sha256": extracted.pixels_sha256,
        "beside": {},
    }


def _write_samples(folder: RunFolder, extracted: ExtractedImages, prompts: DrawnPrompts) -> None:
    cosines = None
    if HEADLINE_COSINE in extracted.folder:
        cosines = extracted.folder.features(HEADLINE_COSINE)[:, 0]
    records = [
        _sample(entry, prompts, None if cosines is None else 100 * float(cosines[place]))
        for place, entry in enumerate(extracted.kept)
    ]
    EVAL_SAMPLES.write(records, folder.samples_dir(TASK) / "0-00000.parquet")


def _sample(entry: ImageEntry, prompts: DrawnPrompts, score: float | None) -> EvalSampleRecord:
    prompt = prompts.prompt_of(entry)
    return EvalSampleRecord(
        task=TASK,
        sample_id=entry.sample_id,
        cluster_id=entry.prompt_id,
        doc_hash=text_sha256(f"{entry.prompt_id} {prompt}"),
        prompt=prompt,
        prompt_hash=text_sha256(prompt),
        raw_response=entry.name,
        n_tokens=None,
        finish_reason=None,
        error=None,
        latency_ms=None,
        parsed=None,
        fallback=False,
        target=prompts.caption_of(entry),
        score=score,
        category=None,
    )
