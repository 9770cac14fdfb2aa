"""The two small parts that carry the session: the background thread and the signals."""

import threading

from FewLabelLib.session.context import Signal
from FewLabelLib.session.worker import Worker


def test_a_worker_never_calls_back_on_its_own_thread_and_forgets_what_waits_when_closed():
    worker, seen, gate = Worker(), [], threading.Event()
    worker.submit(threading.current_thread, seen.append, seen.append)
    while worker.busy:
        worker.deliver()
    assert seen[0] is not threading.current_thread()
    worker.submit(lambda: gate.wait(20), seen.append, seen.append)
    worker.submit(lambda: seen.append("not done"), seen.append, seen.append)
    worker.close()
    gate.set()
    while worker.busy:
        worker.deliver()
    assert "not done" not in seen
    seen[0].join(20)
    assert not seen[0].is_alive()


def test_a_slot_may_disconnect_itself():
    signal, seen = Signal(), []

    def once(value):
        seen.append(value)
        signal.disconnect(once)

    signal.connect(once)
    signal.emit(1)
    signal.emit(2)
    assert seen == [1]
