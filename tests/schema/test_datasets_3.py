"""A shard of every table loads in `datasets` 3.6 too, in an environment of its own."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.schema.test_tables import example
from vargpt_schema import INSTRUCT, TABLES

LOAD = """
import json, sys
from pathlib import Path
from datasets import load_dataset
found = {}
for path in sys.argv[1:]:
    rows = load_dataset("parquet", data_files=path, split="train", cache_dir=path + ".cache")
    found[Path(path).stem] = [rows.column_names, rows.num_rows, rows[0]]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_every_table_loads_in_datasets_3_6(tmp_path: Path):
    uv = shutil.which("uv")
    assert uv, "uv runs this suite, so it is on PATH"
    paths = []
    for table in TABLES:
        path = tmp_path / f"{table.name}.parquet"
        table.write([example(table)], path)
        paths.append(str(path))
    (tmp_path / "load.py").write_text(LOAD)
    command = [uv, "run", "--no-project", "--with", "datasets==3.6.*", "--with", "pyarrow<24"]
    ran = subprocess.run(
        [*command, "python", str(tmp_path / "load.py"), *paths],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    for table in TABLES:
        columns, num_rows, _ = found[table.name]
        assert columns == table.schema.names
        assert num_rows == 1
    assert found[INSTRUCT.name][2]["messages"] == [
        {"role": "user", "content": "Draw a cat."},
        {"role": "assistant", "content": "A cat.<image_gen>"},
    ]
