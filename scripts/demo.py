"""Watch FewLabel work: label a few cases while the server trains with the pool, get the next ones, export, compare.

    python3 scripts/demo.py                                          on generated scans, about 8 minutes
    python3 scripts/demo.py --studies FOLDER --truth FOLDER --labels anterior,posterior

Simulates a clinician with a real server and MONAI Label's own client. The given folders are only read; all output goes
to --output, with report.html at the end. Ctrl-C stops the server and everything else. With --conf training on_request
nothing is learned meanwhile, and each round waits for a training.
"""

import signal
import sys

from environment import ensure_environment
from experiments.demo.options import parse
from serving.process import interrupt

if __name__ == "__main__":
    chosen = parse(sys.argv[1:], __doc__)
    ensure_environment()
    from experiments.demo.play import main

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)
    sys.exit(main(chosen))
