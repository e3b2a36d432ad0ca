"""`pyarrow.compute` for a type checker: its functions are made at import, so none can be found."""

from typing import Any

import pyarrow.compute

pc: Any = pyarrow.compute
