"""Progress: rate, time left and a note, as plain lines where there is no terminal."""

from vargpt_datagen.progress import progress, progress_line


def test_a_line_gives_share_rate_time_left_and_note():
    line = progress_line("rows", 2_500, 10_000, per_s=500, note="2,400 accepted, 100 rejected")
    assert line == "rows: 2,500/10,000 (25%), 500/s, ETA 15 s, 2,400 accepted, 100 rejected"


def test_nothing_done_yet_has_no_time_left():
    assert progress_line("rows", 0, 10, per_s=0, note="") == "rows: 0/10 (0%), 0/s, ETA unknown"


def test_quick_steps_print_only_the_end_and_only_once(capsys):
    with progress("rows") as show:
        for done in (1, 2, 3, 3, 3):
            show(done, 3, "note")
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("rows: 3/3 (100%), ")
    assert line.endswith(", note")
