"""Checks requests for tasks of MONAI Label before they are run."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monailabel.config import settings as monailabel_settings
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.utils.sessions import Sessions

from fewlabel.datastore.kinds import check_tag
from fewlabel.errors import Refusal
from fewlabel.selection.table import DEFAULT_STRATEGY

if TYPE_CHECKING:
    from fewlabel.study import Study

_UPLOAD = re.compile(r"tmp[a-z0-9_]{8}(\..*)?")  # as MONAI Label names uploads


class Requests:
    """Refuses requests that could only fail, or that would reach beyond the study.

    Args:
        study: with the tasks; its datastore is open at the first request.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.sessions = Path(Sessions(monailabel_settings.MONAI_LABEL_SESSION_PATH).store_path)

    def check_task(self, model: str | None, tasks: Mapping[str, Any]) -> None:
        """Refuse a background task that could only fail.

        Raises:
            Refusal: (404) there is no such model; (409) there are no labels yet.
        """
        if model is None:
            return
        if model not in tasks:
            raise Refusal(f"There is no model '{model}' here. There is: {', '.join(tasks)}.", 404)
        if not self.study.store.get_labeled_images():
            raise Refusal("There are no labels yet: submit a label for at least one case, then train.", 409)

    def check_infer(
        self, request: Mapping[str, Any], tasks: Mapping[str, InferTask], session: str = "", since: float | None = None
    ) -> Mapping[str, Any]:
        """Allow images of this study, of the request's session, and a file uploaded with the request; nothing else.

        Args:
            session: its id, "" for none.
            since: when the request came, in seconds since the epoch; None: called by a program on this computer, which
                may use any file of the studies and the sessions.

        Returns:
            the request; with the path of the image if its id is also a file in the server's working folder, which MONAI
            Label would use instead.

        Raises:
            Refusal: (404) unknown model or image; (403) a path of the server; (409) not trained yet; (422) a scan that
                cannot be used, or the result would be stored as a submitted label.
        """
        if request.get("save_label"):
            request = {**request, "label_tag": check_tag(request.get("label_tag"))}
        model, image = request.get("model"), request.get("image")
        if not isinstance(model, str) or model not in tasks:
            raise Refusal(f"There is no model '{model}' here. There is: {', '.join(tasks)}.", 404)
        if not tasks[model].is_valid():
            tasks[model].published("cpu")  # refuses if it is not trained yet
        if isinstance(image, str) and image in self.study.store.list_images():
            return {**request, "image": self.study.store.get_image_uri(image)} if os.path.exists(image) else request
        unusable = self.study.store.unusable().get(str(image))
        if unusable:
            raise Refusal(unusable[1], 422)
        path = Path(str(image))
        if path.is_absolute() or os.sep in str(image) or ".." in str(image):
            if not self._may_read(path, session, since):
                raise Refusal(
                    f"'{image}' is not an image of this study: ask for one by its id, or upload the file.",
                    403,
                )
            return request
        raise Refusal(f"There is no image '{image}' in this study: check the name, or upload the file.", 404)

    def check_next(self, request: Mapping[str, Any], strategies: Mapping[str, Strategy]) -> dict[str, Any]:
        """The request with the default strategy filled in.

        Raises:
            Refusal: (404) there is no such strategy.
        """
        strategy = request.get("strategy") or DEFAULT_STRATEGY
        if strategy not in strategies:
            raise Refusal(f"There is no strategy '{strategy}' here. There are: {', '.join(strategies)}.", 404)
        return {**request, "strategy": strategy}

    def _may_read(self, path: Path, session: str, since: float | None) -> bool:
        """Whether ``path`` belongs to the request: its session's image, or its upload."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a null byte, or a loop of links
            return False
        own = [self.study.studies, self.sessions] if since is None else [self.sessions / session] if session else []
        if any(real.is_relative_to(folder.resolve()) for folder in own):
            return True
        if real.parent != Path(tempfile.gettempdir()).resolve() or not _UPLOAD.fullmatch(real.name):
            return False
        return since is None or (real.is_file() and real.stat().st_ctime >= since - 1)  # times of files are coarse
