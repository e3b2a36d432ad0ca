"""Image codes carry what they mean; readers refuse codes of another model."""

import pytest

from vargpt_schema import (
    CodesConfig,
    ImageCodesRecord,
    UserError,
    read_image_codes,
    write_image_codes,
)

CONFIG = CodesConfig(patch_nums=(1, 2), vocab_size=8, image_size_px=16, tokenizer_sha256="ab" * 32)
RECORD = ImageCodesRecord(image="world/00000001.png", crop="centre", code_ids=(0, 1, 2, 3, 7))


def test_codes_come_back_with_their_config(tmp_path):
    assert write_image_codes([RECORD], tmp_path / "codes.parquet", CONFIG) == 1
    table, config = read_image_codes(tmp_path, (1, 2))
    assert config == CONFIG
    assert table.column("code_ids").to_pylist() == [[0, 1, 2, 3, 7]]


def test_reader_refuses_other_patch_nums(tmp_path):
    write_image_codes([RECORD], tmp_path / "codes.parquet", CONFIG)
    with pytest.raises(UserError, match=r"codes of patch_nums \(1, 2\) found, the model has"):
        read_image_codes(tmp_path, (1, 2, 4))


def test_reader_refuses_files_of_two_tokenizers(tmp_path):
    write_image_codes([RECORD], tmp_path / "a.parquet", CONFIG)
    other = CodesConfig(
        patch_nums=(1, 2), vocab_size=8, image_size_px=16, tokenizer_sha256="cd" * 32
    )
    write_image_codes([RECORD], tmp_path / "b.parquet", other)
    with pytest.raises(UserError, match="different image tokenizers"):
        read_image_codes(tmp_path, (1, 2))


@pytest.mark.parametrize(
    ("code_ids", "message"),
    [((0, 1, 2, 3), "must have 5 codes"), ((0, 1, 2, 3, 8), "below vocab_size 8")],
)
def test_writer_refuses_wrong_length_and_codes_outside_the_codebook(code_ids, message, tmp_path):
    record = ImageCodesRecord(image="a.png", crop="centre", code_ids=code_ids)
    with pytest.raises(ValueError, match=message):
        write_image_codes([record], tmp_path / "codes.parquet", CONFIG)
