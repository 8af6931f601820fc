"""What the embeddings of `expected/photos.npz` were made with, found by making them again with onnxruntime and OpenCV.

usage: agreement.py (by an interpreter with onnxruntime and OpenCV)

Beginning with FaceClique's conventions on OpenCV's pixels, one convention after the other is taken from the reference, until
every embedding is met. What FaceClique's own pixels add is the difference to `make photos`.
"""

import sys
import tomllib

import cv2
import numpy
from onnx_peer import Pipeline, similarity
from report import ROOT

DATA = ROOT.parent / "shared" / "data"
MODELS = {"face-reid-retail-0095": "reid0095", "mobilefacenet-y1": "mobilefacenet_y1"}
WAYS = ["OpenCV's pixels, FaceClique's conventions", "one scale for both axes", "the last pixel repeated beyond the edge"]


def one_scale(points, image, long_side):
    """The landmarks enlarged by the scale that was asked for, and not by that of the whole pixels each axis came to."""
    size = numpy.array(image.shape[1::-1])
    zoom = min(1, long_side / size.max())
    return points * numpy.maximum(numpy.round(size * zoom), 1) / size / zoom


def cosines(pipeline, image, expected):
    """The cosine of the largest face's embedding to that expected, by each of the ways."""
    _, points, _ = pipeline.faces(image)
    scaled = one_scale(points[0], image, pipeline.detector_part["long_side"])
    matrix, side = similarity(scaled, pipeline.template), pipeline.part["size"]
    crops = [
        pipeline.crop(image, points[0]),
        pipeline.crop(image, scaled),
        cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
    ]
    return [float(pipeline.embed(crop) @ expected) for crop in crops]


def main():
    path = DATA / "expected" / "photos.npz"
    if not path.exists():
        sys.exit(f"nothing to compare with: {path.name} is not there; it is expected in ../shared/data/expected")
    reference = numpy.load(path)
    for pack, name in MODELS.items():
        with open(ROOT / "fixtures" / "packs" / pack / "pack.toml", "rb") as file:
            pipeline = Pipeline(tomllib.load(file), DATA / "models")
        photos = zip(reference["files"], reference[name], strict=True)
        found = [cosines(pipeline, cv2.imread(str(DATA / "photos" / photo)), row) for photo, row in photos]
        print(f"{pack}, {len(found)} photos")
        for way, values in zip(WAYS, numpy.array(found).T, strict=True):
            worst = reference["files"][values.argmin()]
            below = (values < 0.98).sum()
            print(f"  {way:42} mean {values.mean():.5f}, {below} below 0.98, least {values.min():.4f} ({worst})", flush=True)


if __name__ == "__main__":
    main()
