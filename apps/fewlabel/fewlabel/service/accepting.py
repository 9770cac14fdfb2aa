"""Accepts a stored proposal as the label of its case, without sending it to anybody."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewlabel.datastore.entries import FINAL
from fewlabel.datastore.kinds import ACCEPTED
from fewlabel.datastore.proposals import checksum
from fewlabel.errors import Refusal
from fewlabel.files import stamp
from fewlabel.inference.recent import Prediction
from fewlabel.labels import values_between
from fewlabel.service.label_all import LabelAll
from fewlabel.service.pool_answers import AcceptRequest
from fewlabel.volumes.reading import read_grid, write_volume

if TYPE_CHECKING:
    from fewlabel.study import Study


def accept(study: Study, label_all: LabelAll, case: str, asked: AcceptRequest) -> dict[str, Any]:
    """Store the proposal of a case as its label, of the kind *accepted*; it can be taken back like any submission.

    Args:
        study: open.
        label_all: with the stored proposals.
        case: without a submitted label.
        asked: the version of the model whose proposal was shown, and who accepts.

    Returns:
        as after any submission: ``kind``, ``notes``, ``correction``, ``flags``.

    Raises:
        Refusal: (404) no such case; (409) it has a label, or no stored proposal of this version; (422) the proposal
            cannot be a label of this study; (507) it cannot be written. Then nothing was stored.
    """
    image = study.store.get_image_uri(case)
    if case in study.store.get_labeled_images():
        raise Refusal(f"'{case}' has a label already: take it back first, or open the case.", 409)
    proposal = label_all.store.proposal(case, stamp(image))
    if proposal is None:
        raise Refusal(f"There is no stored proposal for '{case}': label all first, or open the case.", 409)
    if proposal.head.version != asked.version:
        raise Refusal(
            f"The proposal for '{case}' is now of version {proposal.head.version:g} of the model, not {asked.version} "
            "as it was shown: look at it again.",
            409,
        )
    if label_all.is_newest(proposal.head, label_all.card()):  # spares the comparison with this model a prediction
        made = Prediction(proposal.labels, np.array(proposal.head.affine), proposal.head.probability)
        study.infer.recent.keep(Path(image), label_all.card(), made)
    classes = study.workspace.classes()
    values = values_between(list(proposal.head.classes), classes)
    if not values[1:].all():  # of a class that the study does not have: as /infer would give it
        values = np.arange(len(values), dtype=np.uint8)
    names = dict(zip(proposal.head.classes, values[1:].tolist(), strict=True))
    array = values[proposal.labels]
    said = {"checksum": checksum(array), "label_names": names, "model_version": asked.version}
    study.proposed(case, {"params": said})
    info = {"label_info": [{"name": name, "idx": value} for name, value in names.items()]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "label.nii.gz"
        write_volume(file, array, read_grid(image).affine)
        study.store.save_label(case, str(file), FINAL, {**info, "kind": ACCEPTED, "client_id": asked.client_id})
    return study.saved(case)
