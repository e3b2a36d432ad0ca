"""The weights file: the shipped one, and lines that are wrong."""

from pathlib import Path

import pytest

from vargpt_datagen.stage2.mixture import LANGUAGE, PAPER_TOTAL, part_rows
from vargpt_datagen.stage2.weights import normal_name, read_weights
from vargpt_schema import UserError

HEAD = "subset\tweight\tcategory\tsource\n"


def test_the_shipped_file_names_every_config_of_the_hub_once_and_a_source_for_each():
    weights = read_weights(None)
    assert len(weights.by_name) == 87
    assert weights.name == "shipped"
    assert all(weight.source for weight in weights.by_name.values())


def test_what_vargpt_leaves_out_and_what_the_recipe_cuts_is_in_the_shipped_file():
    by_name = read_weights(None).by_name
    found = {
        name: by_name[name].weight
        for name in (
            "k12_printing",
            "visualwebinstruct(filtered)",
            "tallyqa(cauldron,llava_format)",
            "figureqa(mathv360k)",
            "vision_flan(filtered)",
            "ureader_qa",
        )
    }
    assert found == {
        "k12_printing": 0,
        "visualwebinstruct(filtered)": 0,
        "tallyqa(cauldron,llava_format)": 0.1,
        "figureqa(mathv360k)": 0.05,
        "vision_flan(filtered)": 1,
        "ureader_qa": 0,
    }


def test_only_the_three_configs_without_pictures_are_language():
    weights = read_weights(None).by_name.values()
    assert sorted(each.subset for each in weights if each.category == LANGUAGE) == [
        "magpie_pro(l3_80b_mt)",
        "magpie_pro(l3_80b_st)",
        "magpie_pro(qwen2_72b_st)",
    ]


def test_names_are_compared_without_case_spaces_and_hyphens():
    assert normal_name("K12 Printing") == normal_name("k12-printing") == "k12_printing"


def test_a_weight_is_a_fraction_or_a_number_of_rows_and_never_more_than_all(tmp_path: Path):
    path = tmp_path / "w.tsv"
    path.write_text(
        HEAD + "# a remark\n\na\t0.5\tGeneral\tassumed 1\r\nb\t30\tGeneral OCR\tFig. 4\n"
    )
    weights = read_weights(path)
    half, thirty = weights.by_name["a"], weights.by_name["b"]
    assert (half.fraction(10), thirty.fraction(120), thirty.fraction(20)) == (0.5, 0.25, 1.0)
    assert weights.name == str(path)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("a\t1\tGeneral", "line 2: 3 columns found"),
        ("a 1 General x", "line 2: 1 columns found"),
        ("a\t1\tCats\tx", "line 2: category 'Cats' found, one of General, Doc/Chart/Screen"),
        ("a\t1\tImage Generation\tx", "line 2: category 'Image Generation' found"),
        ("a\tall\tGeneral\tx", "line 2: weight 'all' found"),
        ("a\t-1\tGeneral\tx", "line 2: weight '-1' found"),
        ("a\t1.5\tGeneral\tx", "line 2: weight '1.5' found"),
        ("a\tnan\tGeneral\tx", "line 2: weight 'nan' found"),
        ("a\t1\tGeneral\t", "line 2: no source found"),
        ("\t1\tGeneral\tx", "line 2: no subset found"),
        ("a\t1\tGeneral\tx\nA\t1\tGeneral\tx", "line 3: subset A found again"),
    ],
)
def test_a_wrong_line_is_named(line, part, tmp_path: Path):
    path = tmp_path / "w.tsv"
    path.write_text(HEAD + line + "\n")
    with pytest.raises(UserError) as caught:
        read_weights(path)
    assert part in str(caught.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read \\(No such file"):
        read_weights(tmp_path / "none.tsv")
    (tmp_path / "w.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        read_weights(tmp_path / "w.tsv")


def test_the_papers_parts_and_their_shares_of_fewer_rows():
    assert PAPER_TOTAL == 1_178_298
    assert part_rows(PAPER_TOTAL) == {
        "llava": 665_298,
        "onevision": 503_000,
        "language": 5_000,
        "instruct": 5_000,
    }
    assert part_rows(11_783) == {
        "llava": 6_653,
        "onevision": 5_030,
        "language": 50,
        "instruct": 50,
    }
    assert all(sum(part_rows(rows).values()) == rows for rows in range(1, 400))
