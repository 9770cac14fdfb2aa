"""A MONAI Label app that has none of FewLabel's routes, on the scripted server of tests/slicer/conftest.py."""

import zlib

import numpy as np

SHAPE = (12, 20, 24)  # k, j, i
CASES = ("a", "b")
CLASSES = ("liver", "tumour")


class PlainApp:
    """Two cases with the same image, two classes, a trainer that never starts, and no model.

    Args:
        server: Scripted; its answers may be replaced.
        image: content of a .nii.gz file.

    Attributes:
        stored: label maps, (k, j, i), by case.
    """

    def __init__(self, server, image):
        self.server, self.url, self.stored = server, server.url, {}
        self.info = {
            "name": "Somebody's app",
            "labels": list(CLASSES),
            "models": {},
            "trainers": {"organs": {"config": {"max_epochs": 50}}},
            "strategies": {"first": {"description": "One after the other"}},
            "datastore": {"total": len(CASES), "completed": 0},
        }
        objects = {case: {"image": {"info": {"name": f"{case}.nii.gz"}}, "labels": {}} for case in CASES}
        server.answers.update(
            {
                ("GET", "/info/"): (200, self.info),
                ("GET", "/openapi.json"): (200, {"paths": {"/info/": {}, "/datastore/": {}}}),
                ("GET", "/datastore/"): (200, {"objects": objects}),
                ("GET", "/datastore/image"): (200, image, "application/gzip", None, "a.nii.gz"),
                ("POST", "/activelearning/first"): self._next,
                ("PUT", "/datastore/label"): self._store,
                ("POST", "/train/organs"): (200, {"id": "1", "status": "SUBMITTED"}),
            }
        )

    def _next(self, handler):
        left = [case for case in CASES if case not in self.stored]
        self.server.send(handler, 200, {"id": left[0]} if left else {})

    def _store(self, handler):
        _, path, _, body = self.server.asked[-1]
        case = path.split("image=")[1].split("&")[0]
        content = body[body.index(b"NRRD0004") :].split(b"\n\n", 1)[1]
        voxels = zlib.decompressobj(wbits=31).decompress(content)
        self.stored[case] = np.frombuffer(voxels, np.uint8).reshape(SHAPE)
        self.server.send(handler, 200, {"image": case})
