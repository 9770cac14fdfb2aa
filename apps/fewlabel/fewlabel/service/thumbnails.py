"""Small pictures of the proposals of *Label all*, for lists of cases."""

from __future__ import annotations

from fewlabel.errors import Refusal
from fewlabel.files import stamp
from fewlabel.labels import values_between
from fewlabel.predictions.picture import draw
from fewlabel.service.colours import colour
from fewlabel.service.label_all import LabelAll


def thumbnail(label_all: LabelAll, case: str) -> bytes:
    """A PNG of the axial slice with the most of a proposal, each class outlined in the colour that the study gives it.

    Raises:
        Refusal: (404) no such case, or no stored proposal for its image.
    """
    found = label_all.store.picture(case, stamp(label_all.study.store.get_image_uri(case)))
    if found is None:
        raise Refusal(f"There is no stored proposal for '{case}': label all first, or open the case.", 404)
    head, picture = found
    values = values_between(list(head.classes), label_all.workspace.classes())[1:]
    places = [int(value) - 1 if value else number for number, value in enumerate(values)]
    return draw(picture, [colour(place) for place in places])
