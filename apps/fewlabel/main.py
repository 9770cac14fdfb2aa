"""Registers FewLabel's tasks with MONAI Label; no logic of its own."""

import logging
import os
import sys
import threading
from pathlib import Path

_HERE = str(Path(__file__).resolve().parent)
if _HERE not in sys.path:  # permanently: MONAI Label removes it after loading this file
    sys.path.insert(0, _HERE)
os.environ.setdefault("PYTHONPATH", _HERE)  # MONAI Label reads it when it starts a training process

import torch  # noqa: E402
from monailabel.interfaces.app import MONAILabelApp  # noqa: E402

from fewlabel import __version__  # noqa: E402
from fewlabel.background import is_background_process  # noqa: E402
from fewlabel.datastore.kinds import check_tag  # noqa: E402
from fewlabel.errors import Refusal  # noqa: E402
from fewlabel.memory import keep_what_is_there  # noqa: E402
from fewlabel.service.guard import brought_by_the_request  # noqa: E402
from fewlabel.service.logins import make_login, renew  # noqa: E402
from fewlabel.service.requests import Requests  # noqa: E402
from fewlabel.service.routes import mount  # noqa: E402
from fewlabel.service.tidy import own_temporary_folder, remove_old_sessions  # noqa: E402
from fewlabel.study import Study  # noqa: E402

logger = logging.getLogger(__name__)


class FewLabelApp(MONAILabelApp):
    """Label a few volumes; the server learns from them and from the whole unlabelled pool."""

    def __init__(self, app_dir, studies, conf):
        if "monailabel.app" in sys.modules:  # a server, not a background process or a script
            own_temporary_folder(app_dir)
        try:
            self.study = Study(studies, conf)
            self.requests = Requests(self.study)
            login = None if is_background_process() else make_login(self.study.settings.token)
        except (Refusal, ValueError) as error:
            sys.tracebacklimit = 0  # uvicorn would print the traceback; people should see the message
            raise SystemExit(f"FewLabel cannot start. {error}") from None
        super().__init__(
            app_dir,
            studies,
            conf,
            name="FewLabel",
            description="Learns from a few labelled volumes and from all others",
            version=__version__,
        )
        self.login = login
        self._auto_update_scoring = False  # else one useless process per click; training scores anyway
        self._choosing = threading.Lock()
        mount(self.study, login)

    def init_datastore(self):
        return self.study.datastore()

    def init_infers(self):
        return self.study.infers()

    def init_trainers(self):
        return self.study.trainers()

    def init_strategies(self):
        return self.study.strategies()

    def init_scoring_methods(self):
        return self.study.scoring_methods()

    def info(self):
        self.labels = self.study.workspace.classes()
        return self.study.describe_scans(super().info())

    def infer(self, request, datastore=None):
        with self.study.keeper.people.ask():
            return self.study.proposed(request.get("image"), self.predict(request, datastore))

    def predict(self, request, datastore=None):
        request = self.requests.check_infer(request, self._infers, **brought_by_the_request())
        return super().infer(request, datastore)

    def batch_infer(self, request, datastore=None):
        several = torch.cuda.device_count() > 1  # without a GPU, MONAI Label's own default divides by zero
        several = several and request.get("multi_gpu", True)
        request = {**request, "multi_gpu": several, "label_tag": check_tag(request.get("label_tag"))}
        return self._batch_infer(request, datastore or self.datastore(), self.predict)

    def next_sample(self, request):
        request = self.requests.check_next(request, self._strategies)
        with self._choosing, self.study.keeper.people.ask():  # two people who ask at the same time get different cases
            return self.study.handed_out(super().next_sample(request), request["strategy"])

    def bundle_path(self, model):
        self.requests.check_task(model, self._trainers)  # MONAI Label calls this before it starts a background process
        return super().bundle_path(model)

    def on_save_label(self, image_id, label_id):
        super().on_save_label(image_id, label_id)
        return self.study.saved(image_id)

    def on_init_complete(self):
        super().on_init_complete()
        self.study.ready(next(iter(self._trainers), None))
        keep_what_is_there()

    def cleanup_sessions(self):
        if self.sessions() is not None:  # an empty one counts as false
            remove_old_sessions(self.sessions())

    def reload(self):
        renew(self.login)
        self.study.reload()
