"""An invented upper abdomen: implicit shapes in patient millimetres (RAS: +x right, +y front, +z head).

Shapes, sizes and positions are inferred from common anatomy, not measured; every subject gets its own. The
tissues are painted one after the other, so that organs touch their neighbours as they do in a body.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

TISSUES = (
    "air", "fat", "muscle", "rib", "marrow", "disc", "cord", "lung", "heart",
    "liver", "liver_vessel", "liver_lesion", "spleen", "kidney_cortex", "kidney_medulla", "kidney_cyst",
    "stomach_wall", "fluid", "gas", "bowel_wall", "bowel_content", "vessel", "gallbladder", "pancreas",
)  # fmt: skip
VALUE = {name: value for value, name in enumerate(TISSUES)}
ORGANS = {
    "liver": ("liver", "liver_vessel", "liver_lesion"),
    "kidney": ("kidney_cortex", "kidney_medulla", "kidney_cyst"),
    "spleen": ("spleen",),
}


def smooth_field(shape: tuple[int, ...], knots: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A smooth random function on a grid: cubic interpolation of white noise on `knots` points an axis.

    Returns float32 of `shape` with mean about 0 and standard deviation 1.
    """
    values = rng.standard_normal(knots)
    for size, knot in zip(shape, knots, strict=True):
        basis = ndimage.zoom(np.eye(knot), (size / knot, 1), order=3)  # one axis at a time: quick and separable
        values = np.tensordot(values, basis, axes=(0, 1))
    return ((values - values.mean()) / (values.std() + 1e-9)).astype(np.float32)


@dataclass
class Subject:
    """One invented patient: `points` (3, X, Y, Z) in mm, already bent by this subject's own deformation."""

    points: np.ndarray
    extent: np.ndarray  # size of the field of view in mm along the three grid axes
    rng: np.random.Generator
    pathology: bool = False
    resected: bool = False
    tissue: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.tissue = np.zeros(self.points.shape[1:], np.uint8)

    def paint(self, name: str, mask: np.ndarray) -> None:
        """Give the voxels of `mask` the tissue `name`."""
        self.tissue[mask] = VALUE[name]

    def noise(self, wavelength: float) -> np.ndarray:
        """A smooth random field with bumps of about `wavelength` mm."""
        knots = tuple(max(4, round(length / wavelength) + 3) for length in self.extent)
        return smooth_field(self.tissue.shape, knots, self.rng)

    def jitter(self, centre: tuple[float, float, float], spread: float = 4.0) -> np.ndarray:
        """`centre` (mm) moved at random by about `spread` mm."""
        return np.asarray(centre) + self.rng.normal(0, spread, 3)

    def ellipsoid(self, centre, radii, angles=(0.0, 0.0, 0.0), variation: float = 0.06) -> np.ndarray:
        """Distance-like map in mm, negative inside an ellipsoid of `radii` mm turned by `angles` degrees."""
        radii = np.asarray(radii, float) * self.rng.normal(1, variation, 3).clip(0.8, 1.2)
        turn = rotation(*(angles + self.rng.normal(0, 4, 3)))
        local = np.tensordot(turn.T / radii[:, None], self.points - np.reshape(centre, (3, 1, 1, 1)), axes=1)
        return ((np.sqrt((local**2).sum(0)) - 1) * radii.min()).astype(np.float32)


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """Rotation matrix of three angles in degrees, about x, then y, then z."""
    (cx, sx), (cy, sy), (cz, sz) = ((math.cos(math.radians(a)), math.sin(math.radians(a))) for a in (x, y, z))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def smooth_union(a: np.ndarray, b: np.ndarray, width: float = 12.0) -> np.ndarray:
    """The union of two distance maps whose seam is rounded over `width` mm (polynomial smooth minimum)."""
    share = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return b * (1 - share) + a * share - width * share * (1 - share)


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of `mask` (bool), without the crumbs that a cut leaves behind."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    return parts == np.bincount(parts.ravel())[1:].argmax() + 1


def build(subject: Subject) -> np.ndarray:
    """Paint the whole abdomen of `subject`; returns its tissue map (uint8, values of `VALUE`)."""
    cavity = _trunk(subject)
    _spine(subject)
    _bowel(subject, cavity)
    inside = cavity < 0
    _stomach_and_pancreas(subject, inside)
    _spleen(subject, inside)
    _liver(subject, inside)
    _kidneys(subject, inside)
    _great_vessels(subject)
    _chest(subject, inside)
    return subject.tissue


def _trunk(subject: Subject) -> np.ndarray:
    """Skin, fat, abdominal wall and ribs; returns the distance map of the cavity inside the wall."""
    x, y, z = subject.points
    rng = subject.rng
    width, depth = rng.normal(146, 7), rng.normal(100, 6)
    body = ((np.abs(x / width) ** 2.4 + np.abs(y / depth) ** 2.4) ** (1 / 2.4) - 1) * depth
    fat, wall = rng.uniform(8, 20), rng.uniform(9, 13)
    subject.paint("fat", body < 0)
    subject.paint("muscle", body < -fat)
    cavity = body + fat + wall
    angle = np.arctan2(y, np.abs(x))
    ribs = np.mod(z + 42 * angle + rng.uniform(0, 30), 30) < 11  # ribs run down and forwards
    subject.paint("rib", ribs & (np.abs(body + fat + wall * 0.6) < 3.5) & (z > -15) & (angle < 1.1))
    subject.paint("fat", cavity < 0)
    return cavity


def _spine(subject: Subject) -> None:
    """Vertebrae with discs, the canal, the back muscles and the psoas."""
    x, y, z = subject.points
    for side in (-1, 1):
        back = subject.ellipsoid(subject.jitter((side * 32, -74, 0), 2), (30, 19, 400))
        psoas = np.hypot(x - side * (30 - 0.10 * z), y + 47) - np.clip(17 - 0.17 * z, 0, 24)
        subject.paint("muscle", (back < 0) | ((psoas < 0) & (z < 40)))
    body = np.hypot(x / 1.25, y + 46) - 17
    phase = np.mod(z + subject.rng.uniform(0, 34), 34)
    subject.paint("marrow", body < 0)
    subject.paint("rib", np.abs(body) < 1.5)
    subject.paint("disc", (body < 0) & (phase < 8))
    arch = np.hypot(x, y + 72) - 14
    subject.paint("rib", (arch < 0) | ((np.abs(x) < 4) & (y < -80) & (y > -98) & (phase > 12)))
    subject.paint("cord", np.hypot(x, y + 70) < 8)


def _bowel(subject: Subject, cavity: np.ndarray) -> None:
    """Loops: tubes round the common zero lines of two random fields, as bright as organs."""
    x, y, z = subject.points
    distance = np.hypot(subject.noise(50), subject.noise(50)) * 30
    room = (cavity < -4) & (y > -38 + 0.1 * np.abs(x)) & (z < 10 - 0.15 * x)
    subject.paint("bowel_wall", room & (distance < 23))
    subject.paint("bowel_content", room & (distance < 17))
    bubbles = subject.noise(30) > 1.0
    subject.paint("gas", room & (distance < 16) & bubbles & (y > 15))


def _stomach_and_pancreas(subject: Subject, inside: np.ndarray) -> None:
    """A stomach with fluid below and gas above (the patient lies on the back), and the pancreas beside it."""
    pancreas = subject.ellipsoid(subject.jitter((-18, -2, 8)), (58, 11, 13), (0, 18, 12))
    subject.paint("pancreas", inside & (pancreas < 1.5 * subject.noise(18)))
    stomach = subject.ellipsoid(subject.jitter((-52, 36, 42), 6), (40, 30, 36), (0, 25, 20), 0.12)
    subject.paint("stomach_wall", inside & (stomach < 0))
    subject.paint("fluid", inside & (stomach < -5))
    level = subject.jitter((0, 48, 0), 8)[1]
    subject.paint("gas", inside & (stomach < -5) & (subject.points[1] > level))


def _spleen(subject: Subject, inside: np.ndarray) -> None:
    centre = subject.jitter((-96, -28, 38), 5)
    spleen = subject.ellipsoid(centre, (30, 44, 46), (0, 0, -20), 0.1)
    hollow = subject.ellipsoid(centre + np.array([34, 26, -6]), (34, 40, 50), (0, 0, -20))
    subject.paint("spleen", inside & (np.maximum(spleen, -hollow) < 0))


def _liver(subject: Subject, inside: np.ndarray) -> None:
    """Right and left lobe, vessels, gall bladder, and lesions (many in a pathological subject)."""
    if subject.resected:
        _resected_liver(subject, inside)
        return
    right = subject.ellipsoid(subject.jitter((72, 4, 26), 5), (64, 74, 62), (0, -18, 0), 0.08)
    left = subject.ellipsoid(subject.jitter((4, 46, 44), 6), (70, 30, 30), (0, -16, 8), 0.12)
    under = subject.ellipsoid(subject.jitter((10, -30, -28), 6), (62, 60, 58))  # hollow lower face
    liver = largest_part(inside & (np.maximum(smooth_union(right, left, 20), -under) < 0))
    subject.paint("liver", liver)
    vessels = np.hypot(subject.noise(62), subject.noise(62))
    subject.paint("liver_vessel", liver & (vessels < 0.13))
    for _ in range(subject.rng.integers(5, 9) if subject.pathology else subject.rng.integers(0, 3)):
        radius = subject.rng.uniform(12, 24) if subject.pathology else subject.rng.uniform(5, 10)
        centre = subject.jitter((72, 6, 28), 32)
        subject.paint("liver_lesion", liver & (subject.ellipsoid(centre, (radius,) * 3, (0, 0, 0), 0.2) < 0))
    gallbladder = subject.ellipsoid(subject.jitter((50, 42, -6), 5), (13, 15, 26), (25, 0, 0), 0.12)
    subject.paint("gallbladder", inside & (gallbladder < 0))


def _resected_liver(subject: Subject, inside: np.ndarray) -> None:
    """The left lobe alone, grown, with its vessels; fluid and bowel lie where the right one was cut out."""
    left = subject.ellipsoid(subject.jitter((2, 44, 40), 6), (78, 40, 42), (0, -16, 8), 0.12)
    bed = subject.ellipsoid(subject.jitter((82, -4, 26), 5), (40, 46, 44))
    loops = np.hypot(subject.noise(50), subject.noise(50)) * 30
    subject.paint("fluid", inside & (bed < 0))
    subject.paint("bowel_wall", inside & (bed < 0) & (loops < 23))
    subject.paint("bowel_content", inside & (bed < 0) & (loops < 17))
    liver = largest_part(inside & (left < 0) & (subject.points[0] < 50))
    subject.paint("liver", liver)
    subject.paint("liver_vessel", liver & (np.hypot(subject.noise(62), subject.noise(62)) < 0.13))


def _kidneys(subject: Subject, inside: np.ndarray) -> None:
    """Two bean-shaped kidneys in their fat: cortex, medulla and a sinus that opens towards the midline."""
    for side in (-1, 1):
        centre = subject.jitter((side * 60, -40, -22 if side > 0 else -10), 5)
        kidney = subject.ellipsoid(centre, (27, 23, 52), (8, side * 10, side * 20), 0.08)
        sinus = subject.ellipsoid(centre - np.array([side * 19, -7, 0]), (18, 11, 22), (0, 0, side * 20))
        around = kidney < subject.rng.uniform(0, 5)
        subject.paint("fat", inside & around & (subject.tissue != VALUE["liver"]))
        organ = inside & (np.maximum(kidney, -sinus) < 0)
        subject.paint("kidney_cortex", organ)
        pyramids = (subject.noise(20) > -0.2) & (kidney < -6)
        subject.paint("kidney_medulla", organ & pyramids)
        if subject.pathology:
            cyst = subject.ellipsoid(centre + np.array([side * 12, 4, 24]), (20, 18, 20), (0, 0, 0), 0.15)
            subject.paint("kidney_cyst", inside & (cyst < 0))


def _great_vessels(subject: Subject) -> None:
    x, y, z = subject.points
    bend = 6 * np.sin(z / 55 + subject.rng.uniform(0, 6))
    subject.paint("vessel", np.hypot(x + 10 + bend, y + 20) < subject.rng.uniform(8.5, 11))
    subject.paint("vessel", np.hypot((x - 19 - bend) / 1.25, y + 17) < subject.rng.uniform(8, 10.5))


def _chest(subject: Subject, inside: np.ndarray) -> None:
    """Lungs above two diaphragm domes, with their vessels, and the bottom of the heart between them."""
    x, y, z = subject.points
    height = subject.rng.normal(72, 5)
    dome = height - (np.abs(np.abs(x) - 62) / 75) ** 2 * 34 - ((y - 5) / 85) ** 2 * 58
    dome = dome + 8 * (x > 0)
    chest = inside & (z > dome) & (np.hypot(x, y + 46) > 24) & (subject.tissue != VALUE["vessel"])
    subject.paint("lung", chest)
    subject.paint("vessel", chest & (np.hypot(subject.noise(34), subject.noise(34)) < 0.10))
    heart = subject.ellipsoid(subject.jitter((-14, 28, 100), 5), (46, 38, 34), (0, 20, 0))
    subject.paint("heart", chest & (heart < 0))
