"""Training needs the extra `train`: without it these tests are skipped."""

import pytest

pytest.importorskip("accelerate")
pytest.importorskip("tensorboard")
