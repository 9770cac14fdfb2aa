"""pytest plugin for the process that runs MONAI Label's own tests: points them at FewLabel.

Environment: REPLAY_APP and REPLAY_DATA, the folders of the app and of the data.
"""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

DATA = Path(os.environ["REPLAY_DATA"])
QUICK = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: time.sleep(min(seconds, 0.02))})
NEED_REAL_TIME = ("test_train", "test_session")
# Most of these tests return at once without CUDA. They ask their own `torch`, which says yes; the app asks the
# real one and computes on what there is.
TORCH = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))


def pytest_collection_modifyitems(items):
    for item in items:
        for base in item.cls.__mro__:
            if base.__name__.startswith("BasicEndpoint"):
                base.app_dir, base.data_dir = os.environ["REPLAY_APP"], str(DATA)
                base.studies = str(DATA / "dataset" / "local" / "spleen")
                sys.modules[base.__module__].time = QUICK
        if hasattr(item.module, "torch"):
            item.module.torch = TORCH
        if hasattr(item.module, "time") and not item.module.__name__.endswith(NEED_REAL_TIME):
            item.module.time = QUICK
