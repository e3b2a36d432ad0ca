"""`vargpt-eval gen-metrics`: every form of images, what is counted, what is refused."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.eval.drawn_images import generations, image_folder, picture, png, prompts
from tests.eval.tiny_networks import save_random_inception, save_tiny_clip, save_tiny_dinov2
from vargpt_eval.extracting.extraction import FeatureExtraction, Networks, extract_features
from vargpt_eval.extracting.gen_metrics import GenMetricsConfig, measure_drawn
from vargpt_eval.extracting.random_features import RandomExtractor
from vargpt_eval.generation.image_sources import open_images
from vargpt_eval.generation.statistics_file import write_statistics
from vargpt_eval.run_folder import RunFolder
from vargpt_schema import EVAL_SAMPLES, GENERATIONS, UserError


def quiet(done: int, total: int) -> None:
    """No progress."""


def measured(drawn: Path, out: Path, **config) -> dict:
    return measure_drawn(drawn, out, GenMetricsConfig(**config), quiet).figures


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "real", 12, first=500, brightness=140)


def as_tar(folder: Path, path: Path) -> Path:
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return path


def as_parquet(folder: Path, path: Path) -> Path:
    files = sorted(folder.iterdir())
    rows = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    table = pa.table({"image": rows, "prompt_id": [file.stem for file in files]})
    pq.write_table(table, path, row_group_size=5)
    return path


def as_array(folder: Path, path: Path) -> Path:
    np.savez(path, np.stack([np.asarray(Image.open(file)) for file in sorted(folder.iterdir())]))
    return path


def test_the_same_images_score_the_same_in_every_form(real, tmp_path):
    folder = image_folder(tmp_path / "folder", 13)
    forms = {
        "folder": folder,
        "table": generations(tmp_path / "table", 13),
        "tar": as_tar(folder, tmp_path / "images.tar"),
        "parquet": as_parquet(folder, tmp_path / "images.parquet"),
        "npz": as_array(folder, tmp_path / "images.npz"),
    }
    found = {
        name: measured(path, tmp_path / f"run-{name}", ref=real, batch_size=4)
        for name, path in forms.items()
    }
    assert {one["n"] for one in found.values()} == {13}
    assert len({one["pixels_sha256"] for one in found.values()}) == 1
    values = {name: one["metrics"]["fid_random"]["value"] for name, one in found.items()}
    assert len(set(values.values())) == 1
    assert values["folder"] > 0


def test_metrics_of_a_random_network_have_names_and_a_stamp_of_their_own(real, tmp_path):
    found = measured(image_folder(tmp_path / "drawn", 13), tmp_path / "run", ref=real)
    assert set(found["metrics"]) == {
        "fid_random",
        "kid_random",
        "precision_random",
        "recall_random",
    }
    assert found["stamp"] == "not comparable"
    assert found["extractor"] == "random-0"
    assert found["is_subset"]


def test_images_equal_to_the_real_ones_are_at_no_distance(real, tmp_path):
    found = measured(real, tmp_path / "run", ref=real)["metrics"]
    assert found["fid_random"]["value"] == pytest.approx(0, abs=1e-6)
    assert (found["precision_random"]["value"], found["recall_random"]["value"]) == (1, 1)


def test_statistics_made_of_images_serve_as_a_reference(real, tmp_path):
    networks = Networks(extractors=[RandomExtractor()])
    seen = extract_features(open_images(real), networks, tmp_path / "work", quiet)
    file = write_statistics(tmp_path / "ref.npz", seen.folder.statistics("pool_3", "random-0"))
    drawn = image_folder(tmp_path / "drawn", 13)
    of_file = measured(drawn, tmp_path / "a", ref=file)
    of_images = measured(drawn, tmp_path / "b", ref=real)
    assert of_file["metrics"].keys() == {"fid_random"}
    assert of_file["metrics"]["fid_random"]["value"] == pytest.approx(
        of_images["metrics"]["fid_random"]["value"], rel=1e-9
    )


def test_a_reference_of_another_extractor_is_refused(real, tmp_path):
    networks = Networks(extractors=[RandomExtractor(1)])
    seen = extract_features(open_images(real), networks, tmp_path / "work", quiet)
    file = write_statistics(tmp_path / "ref.npz", seen.folder.statistics("pool_3", "random-1"))
    with pytest.raises(UserError, match="extractor 'random-1' found, 'random-0' as the images"):
        measured(image_folder(tmp_path / "drawn", 3), tmp_path / "run", ref=file)


def test_a_reference_that_names_no_extractor_is_not_the_random_ones(tmp_path):
    np.savez(tmp_path / "VIRTUAL.npz", mu=np.zeros(256), sigma=np.eye(256))
    with pytest.raises(UserError, match="no name of an extractor found"):
        measured(
            image_folder(tmp_path / "drawn", 3), tmp_path / "run", ref=tmp_path / "VIRTUAL.npz"
        )


def test_inception_gives_fid_and_the_inception_score(real, tmp_path, monkeypatch):
    import vargpt_eval.extracting.inception_extractor as opening
    from vargpt_eval.extracting import gen_metrics

    sha256 = save_random_inception(tmp_path / "weights.pth")

    def open_these(path, device):
        return opening.open_inception(path, device, sha256=sha256)

    monkeypatch.setattr(gen_metrics, "open_inception", open_these)
    found = measured(
        image_folder(tmp_path / "drawn", 10),
        tmp_path / "run",
        ref=real,
        inception=tmp_path / "weights.pth",
        inception_score=True,
        dinov2=save_tiny_dinov2(tmp_path / "dinov2"),
        ref_images=real,
    )
    assert {"fid", "kid", "precision", "recall", "inception_score", "fd_dinov2"} <= set(
        found["metrics"]
    )
    assert found["stamp"] is None
    assert found["extractor"].endswith(sha256)


def test_clip_scores_instructions_and_captions_with_intervals(tmp_path):
    drawn = generations(tmp_path / "drawn", 6)
    found = measured(
        drawn,
        tmp_path / "run",
        clip=(save_tiny_clip(tmp_path / "clip"),),
        prompts=prompts(tmp_path / "prompts.parquet", 6),
    )
    names = ["clip_score ViT-32/8@32 instruction", "clip_score ViT-32/8@32 caption"]
    assert list(found["metrics"]) == names
    figure = found["metrics"][names[0]]
    low, high = figure["ci95"]
    assert low < figure["value"] < high
    assert set(figure["conventions"]) == {
        "mean_cosine_100",
        "torchmetrics",
        "clamped_each_100",
        "hessel",
    }


def test_instructions_alone_need_no_file_of_prompts(tmp_path):
    clip = save_tiny_clip(tmp_path / "clip")
    found = measured(generations(tmp_path / "drawn", 3), tmp_path / "run", clip=(clip,))
    assert list(found["metrics"]) == ["clip_score ViT-32/8@32 instruction"]
    with pytest.raises(UserError, match="no text of the images found"):
        measured(image_folder(tmp_path / "folder", 3), tmp_path / "run2", clip=(clip,))


def test_every_image_is_a_row_of_the_samples(real, tmp_path):
    measured(generations(tmp_path / "drawn", 4), tmp_path / "run", ref=real)
    rows = list(EVAL_SAMPLES.records(RunFolder(tmp_path / "run").samples_dir("gen_metrics")))
    assert [(one.cluster_id, one.raw_response) for one in rows][:2] == [
        ("0000", "images/0000.png"),
        ("0001", "images/0001.png"),
    ]
    assert rows[0].prompt == "Please draw <b>thing</b> 0."


def test_an_undecodable_image_is_listed_and_left_out(real, tmp_path):
    folder = image_folder(tmp_path / "drawn", 6)
    (folder / "0002.png").write_bytes(b"no picture")
    found = measured(folder, tmp_path / "run", ref=real, batch_size=2)
    assert (found["n"], found["n_error"], found["undecodable"]) == (5, 1, ["0002.png"])


def test_a_killed_extraction_goes_on_behind_its_last_batch(real, tmp_path):
    drawn = image_folder(tmp_path / "drawn", 10)
    whole = measured(drawn, tmp_path / "whole", ref=real, batch_size=3)

    class Killed(Exception):  # noqa: N818
        """The process ends here."""

    def stop_after_6(done: int, total: int) -> None:
        if total == 10 and done >= 6:
            raise Killed

    config = GenMetricsConfig(ref=real, batch_size=3)
    with pytest.raises(Killed):
        measure_drawn(drawn, tmp_path / "run", config, stop_after_6)
    features = tmp_path / "run/.work/gen_metrics/drawn/pool_3.f32"
    with features.open("ab") as file:
        file.write(b"torn")  # as a kill within a write leaves it
    seen: list[int] = []
    config_done = measure_drawn(drawn, tmp_path / "run", config, lambda done, _: seen.append(done))
    assert 9 in seen
    assert 3 not in seen
    assert config_done.figures == whole


def test_changed_images_are_seen_anew(real, tmp_path):
    drawn = image_folder(tmp_path / "drawn", 5)
    before = measured(drawn, tmp_path / "run", ref=real)
    (drawn / "0001.png").write_bytes(png(picture(99)))
    after = measured(drawn, tmp_path / "run", ref=real)
    assert before["pixels_sha256"] != after["pixels_sha256"]


def test_images_are_scored_while_a_model_draws_without_files(tmp_path):
    networks = Networks(extractors=[RandomExtractor()])
    extraction = FeatureExtraction(tmp_path / "work", networks)
    for start in (0, 4):
        extraction.add(np.stack([np.asarray(picture(start + place)) for place in range(4)]))
    seen = extract_features(
        open_images(image_folder(tmp_path / "files", 8)), networks, tmp_path / "other", quiet
    )
    ours, theirs = (one.features("pool_3") for one in (extraction.folder, seen.folder))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert extraction.pixels_sha256 == seen.pixels_sha256


def test_fewer_images_than_prompts_are_refused_or_counted(real, tmp_path):
    drawn = generations(tmp_path / "drawn", 5)
    asked = prompts(tmp_path / "prompts.parquet", 7)
    with pytest.raises(UserError, match="2 of 7 prompts without an image, the first '0005'"):
        measured(drawn, tmp_path / "run", ref=real, prompts=asked)
    found = measured(drawn, tmp_path / "run", ref=real, prompts=asked, allow_missing=True)
    assert (found["num_missing"], found["n_error"]) == (2, 2)


def test_images_of_unknown_prompts_are_refused(real, tmp_path):
    with pytest.raises(UserError, match=r"no prompt '0002' found, which image images/0002\.png"):
        measured(
            generations(tmp_path / "drawn", 3),
            tmp_path / "run",
            ref=real,
            prompts=prompts(tmp_path / "prompts.parquet", 2),
        )


def test_images_of_several_sizes_are_refused(real, tmp_path):
    drawn = image_folder(tmp_path / "drawn", 3)
    (drawn / "0001.png").write_bytes(png(picture(1, 20)))
    with pytest.raises(UserError, match=r"0001\.png: 20 x 20 px found, 16 x 16 as the first"):
        measured(drawn, tmp_path / "run", ref=real)


def test_real_images_of_several_sizes_are_cropped_when_asked(real, tmp_path):
    (real / "0500.png").write_bytes(png(picture(1, 20).resize((30, 20))))
    found = measured(
        image_folder(tmp_path / "drawn", 4), tmp_path / "run", ref=real, centre_crop_px=16
    )
    assert found["n"] == 4


@pytest.mark.parametrize("mode", ["RGBA", "I;16", "CMYK", "LA"])
def test_images_of_other_modes_are_refused(mode, real, tmp_path):
    drawn = image_folder(tmp_path / "drawn", 2)
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.new(mode, (16, 16)).save(drawn / f"0002.{suffix}")
    with pytest.raises(UserError, match=f"mode {mode} found, one of RGB, L, P"):
        measured(drawn, tmp_path / "run", ref=real)


def test_doubled_generations_are_refused(real, tmp_path):
    drawn = generations(tmp_path / "drawn", 3)
    table = GENERATIONS.read(drawn)
    GENERATIONS.write(table, drawn / "generations-00001-of-00001.parquet")
    with pytest.raises(UserError, match="image '0000 0-1' found twice"):
        measured(drawn, tmp_path / "run", ref=real)


def test_doubled_prompts_are_refused(real, tmp_path):
    asked = tmp_path / "prompts"
    for name in ("a", "b"):
        prompts(asked / f"{name}.parquet", 3)
    with pytest.raises(UserError, match="prompt_id '0000' found twice"):
        measured(generations(tmp_path / "drawn", 3), tmp_path / "run", ref=real, prompts=asked)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../out.png", tarfile.REGTYPE), ("/abs.png", tarfile.REGTYPE), ("a.png", tarfile.SYMTYPE)],
)
def test_tar_members_that_leave_their_folder_are_refused(name, kind, tmp_path):
    path = tmp_path / "images.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        data = b"" if kind == tarfile.SYMTYPE else png(picture(0))
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    with pytest.raises(UserError, match="is a link, a device or leaves its folder"):
        open_images(path)


def test_generations_whose_images_leave_their_folder_are_refused(real, tmp_path):
    from dataclasses import replace

    drawn = generations(tmp_path / "drawn", 3)
    file = drawn / "generations-00000-of-00001.parquet"
    records = [replace(one, image="../real/0500.png") for one in GENERATIONS.records(file)]
    GENERATIONS.write(records, file)
    with pytest.raises(UserError, match="a path inside"):
        measured(drawn, tmp_path / "run", ref=real)


def test_no_image_at_all_is_an_error_and_never_a_score(real, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image found, at least one expected"):
        measured(tmp_path / "empty", tmp_path / "run", ref=real)
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    (drawn / "a.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="drawn: 0 of 1 image decoded"):
        measured(drawn, tmp_path / "run", ref=real)
    assert not (tmp_path / "run" / "summary.json").exists()


def test_nothing_to_compare_with_is_refused(tmp_path):
    with pytest.raises(UserError, match="neither --ref nor --ref-images nor --clip"):
        measured(image_folder(tmp_path / "drawn", 2), tmp_path / "run")


def test_features_that_are_nan_are_refused(tmp_path):
    class Broken(RandomExtractor):
        def extract(self, images):
            return {"pool_3": np.full((len(images), 256), np.nan, np.float32)}

    extraction = FeatureExtraction(tmp_path / "work", Networks(extractors=[Broken()]))
    with pytest.raises(UserError, match="NaN or infinity found in the features of 2 images"):
        extraction.add(np.zeros((2, 8, 8, 3), np.uint8))


def test_examples_of_the_dialogue_are_kept_for_the_report(real, tmp_path):
    measured(generations(tmp_path / "drawn", 4), tmp_path / "run", ref=real)
    held = json.loads((tmp_path / "run/drawn/gen_metrics.json").read_text("utf-8"))["examples"]
    assert held[0]["prompt"] == "Please draw <b>thing</b> 0."
    assert held[0]["parts"][0] == {"text": "Here it is:", "picture": None}
    assert held[0]["parts"][1]["picture"].startswith("data:image/png;base64,")
