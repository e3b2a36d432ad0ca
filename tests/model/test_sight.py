"""What shows how a run goes: rates, event files, curves, pictures."""

import json
import re

import pytest
from PIL import Image

from tests.model.world_pictures import SMALL, WorldPictures
from vargpt_model.image_tokenizer_training import ImageTokenizerTraining, train_image_tokenizer
from vargpt_model.training.curves import write_curves
from vargpt_model.training.curves.drawn import drop_pictures_after, read_pictures, save_pictures
from vargpt_model.training.curves.plots import binned, label, plot, plots_of, ticks
from vargpt_model.training.curves.readings import readings_of
from vargpt_model.training.run_log import RunLog, note_of
from vargpt_model.training.throughput import Rates, Throughput, peak_flops_of


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("vargpt_model.training.throughput.time", made)
    return made


def written(path, lines) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_rates_are_of_the_time_since_the_line_before(clock):
    throughput = Throughput(start=40)
    clock.now_s += 5
    first = throughput.at(50, {"num_positions": 300, "num_images": 4})
    assert (first.seconds, first.steps_per_s) == (5.0, 2.0)
    assert (first.positions_per_s, first.images_per_s) == (600.0, 8.0)
    clock.now_s += 20
    second = throughput.at(60, {"num_positions": 500, "num_images": 8})
    assert second.steps_per_s == 0.5
    # The mean of the logged steps, 400 positions and 6 images, stands for all.
    assert (second.positions_per_s, second.images_per_s) == (200.0, 3.0)


def test_what_a_run_does_not_count_has_no_rate(clock):
    clock.now_s += 1
    rates = Throughput(start=0).at(1, {"loss": 1.0})
    assert (rates.positions_per_s, rates.images_per_s, rates.model_flops_frac) == (None, None, None)
    assert rates.memory_bytes > 10**7  # of this process


def test_model_flop_use_is_the_share_of_all_gpus_peak(clock):
    throughput = Throughput(start=0, num_devices=8, peak_flops=1e15)
    clock.now_s += 2
    # 8e15 a step, a step in 2 s, of 8e15 a second.
    assert throughput.at(1, {}, flops=8e15).model_flops_frac == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("Some other GPU", None),
    ],
)
def test_peaks_are_found_by_the_gpus_name(name, peak):
    assert peak_flops_of(name) == peak


def test_a_progress_line_tells_rates_memory_and_flop_use():
    rates = Rates(9.0, 2.0, 1204.4, 38.2, 61_500_000_000, 0.452)
    assert note_of(0.65878, rates) == (
        "1,204 tokens/s, 38 images/s, 61.5 GB, model FLOP use 45%, loss 0.6588"
    )


def test_a_killed_calls_later_lines_and_pictures_are_dropped(tmp_path, capsys):
    with RunLog(tmp_path, what="x", start=0, num_steps=6) as log:
        for step in (2, 4, 6):
            log.append(step, {"loss": 1.0 / step})
            save_pictures(tmp_path, step, ["a"], [Image.new("RGB", (2, 2))])
    with RunLog(tmp_path, what="x", start=4, num_steps=6):
        pass
    for name in ("metrics.jsonl", "throughput.jsonl"):
        steps = [json.loads(line)["step"] for line in (tmp_path / name).read_text().splitlines()]
        assert steps == [2, 4]
    assert read_pictures(tmp_path).steps == [2, 4]
    assert "x: 6/6 (100%)" in capsys.readouterr().err


def test_event_files_hold_every_number_and_a_tag_a_scale(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with RunLog(tmp_path, what="x", start=0, num_steps=2) as log:
        log.append(1, {"loss": 2.0, "loss_by_scale": [3.0, 1.0], "text_loss": None})
        log.append(2, {"loss": 1.5, "loss_by_scale": [2.5, 0.5], "text_loss": None})
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    found = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in ("loss", "loss_by_scale/1", "loss_by_scale/2")
    }
    assert found == {
        "loss": [(1, 2.0), (2, 1.5)],
        "loss_by_scale/1": [(1, 3.0), (2, 2.5)],
        "loss_by_scale/2": [(1, 1.0), (2, 0.5)],
    }
    assert "text_loss" not in events.Tags()["scalars"]
    assert {"steps_per_s", "memory_bytes"} <= set(events.Tags()["scalars"])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (1.2, 6.3, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        (3.0, 3.0, [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]),
    ],
)
def test_ticks_are_round_and_hold_all_values(low, high, expected):
    assert ticks(low, high) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1204.0, "1.2k"), (0.0345, "0.0345"), (4.1e9, "4.1G"), (5e-5, "5e-05")],
)
def test_numbers_are_labelled_in_few_characters(value, text):
    assert label(value) == text


def test_a_plot_puts_its_ends_at_the_edges():
    drawn = plot("Loss", "", [("all", "line-0", [(0, 1.0), (5, float("nan")), (10, 0.0)])], 10)
    assert drawn.lines[0].points == "58.0,12.0 506.0,236.0"  # the value that is no number is out
    assert (drawn.lines[0].last, drawn.lines[0].band) == ("0", "")
    assert [tick.label for tick in drawn.y_ticks] == ["0", "0.25", "0.5", "0.75", "1"]


def test_long_curves_are_means_between_lowest_and_highest():
    curve = [(step, float(step % 2)) for step in range(320)]
    bins = binned(curve)
    assert len(bins) == 160
    assert bins[0] == (0.5, 0.5, 0.0, 1.0)
    assert plot("x", "", [("a", "line-0", curve)], 319).lines[0].band


def test_known_numbers_are_plotted_and_each_scale_has_a_curve(tmp_path):
    written(
        tmp_path / "metrics.jsonl",
        [
            {"step": step, "loss": 1.0, "lr": 0.1, "loss_by_scale": [2.0, 1.0, 0.5], "other": 3}
            for step in (1, 2)
        ],
    )
    written(tmp_path / "throughput.jsonl", [{"step": 2, "positions_per_s": 10.0}])
    plots = plots_of(readings_of(tmp_path))
    assert [one.title for one in plots] == [
        "Loss",
        "Loss by scale",
        "Learning rate",
        "Tokens a second",
    ]
    assert [line.kind for line in plots[1].lines] == ["scale-0", "scale-4", "scale-9"]


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert readings_of(tmp_path).single == {"loss": [(1, 2.0)]}


def test_a_page_has_a_few_columns_of_pictures_first_and_last_among_them(tmp_path):
    for step in range(10, 110, 10):
        save_pictures(tmp_path, step, ["one", "two"], [Image.new("RGB", (2, 2)), None])
    drawn = read_pictures(tmp_path)
    assert drawn.steps == [10, 30, 40, 50, 70, 90, 100]
    assert [row.prompt for row in drawn.rows] == ["one", "two"]
    assert drawn.rows[0].pictures[0].startswith("data:image/png;base64,")
    assert drawn.rows[1].pictures == [""] * 7
    drop_pictures_after(tmp_path, 0)
    assert read_pictures(tmp_path) == ([], [])


def test_the_page_loads_nothing_from_outside_and_escapes_prompts(tmp_path):
    written(tmp_path / "metrics.jsonl", [{"step": 1, "loss": 1.0}])
    prompt = "<script>alert(1)</script>"
    save_pictures(tmp_path, 1, [prompt], [Image.new("RGB", (2, 2))])
    write_curves(tmp_path)
    page = (tmp_path / "curves.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert "http" not in page.replace("http-equiv", "")


def test_phases_come_one_after_the_other_on_one_page(tmp_path):
    for phase in ("text", "joint"):
        with RunLog(tmp_path / phase, what=phase, start=0, num_steps=1) as log:
            (tmp_path / phase).mkdir(exist_ok=True)
            log.append(1, {"loss": 1.0})
    write_curves(tmp_path)
    page = (tmp_path / "curves.html").read_text()
    assert 0 < page.index("<h2>text") < page.index("<h2>joint")


def test_image_tokenizer_training_leaves_curves_and_rebuilt_pictures(tmp_path):
    training = ImageTokenizerTraining(num_steps=4, batch_size=4, log_every=1, sample_every=2)
    train_image_tokenizer(WorldPictures(8), tmp_path, SMALL, training)
    assert read_pictures(tmp_path).steps == [2, 4]
    with Image.open(tmp_path / "samples" / "step-00000004" / "00.png") as both:
        assert both.size == (32, 16)  # as it is, and rebuilt
    page = (tmp_path / "curves.html").read_text()
    for title in ("Loss", "Learning rate", "Images a second", "world/00000000.png", "step 4 of 4"):
        assert title in page
