"""The way from photos to embeddings by onnxruntime and OpenCV: what a Python program would do with the same models.

usage: onnx_peer.py PACK.toml MODELS THREADS PHOTO...

`photos.py` starts it, each time in a process of its own. Each thread has one thread of the runtime and takes the next
photo: decode, show the detector the long side at 640 pixels at most, the largest face, align, embed. What it did is
printed as JSON; the moment of the first embedding is of the clock that all processes share.
"""

import json
import resource
import sys
import threading
import time
import tomllib

import cv2
import numpy
import onnxruntime

STRIDES = (8, 16, 32)
STAGES = ("decode", "detect", "align", "embed")


def session(path):
    """A model on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def similarity(points, template):
    """The 2 x 3 matrix of the similarity that brings points nearest to a template (Umeyama 1991, without reflection)."""
    p, q = points @ [1, 1j], template @ [1, 1j]
    p_centre, q_centre = p.mean(), q.mean()
    a = numpy.vdot(p - p_centre, q - q_centre) / numpy.vdot(p - p_centre, p - p_centre).real
    b = q_centre - a * p_centre
    return numpy.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


class Pipeline:
    """The models of a pack and how they are asked."""

    def __init__(self, pack, models):
        self.detector_part, self.part = pack["detector"], pack["embedder"]
        self.detector = session(f"{models}/{self.detector_part['file']}")
        self.embedder = session(f"{models}/{self.part['file']}")
        self.outputs = [output.name for output in self.detector.get_outputs()]
        self.template = numpy.array(self.part["template"])

    def faces(self, image, resize=cv2.INTER_AREA):
        """Boxes, landmarks and scores of the faces that the detector finds, the largest box first."""
        zoom = min(1, self.detector_part["long_side"] / max(image.shape[:2]))
        height, width = (max(1, round(side * zoom)) for side in image.shape[:2])
        shown = image if zoom == 1 else cv2.resize(image, (width, height), interpolation=resize)
        padded = numpy.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), numpy.float32)
        padded[:height, :width] = shown
        outputs = self.detector.run(None, {"input": padded.transpose(2, 0, 1)[None]})
        found = [self.decoded(dict(zip(self.outputs, outputs)), stride, padded.shape) for stride in STRIDES]
        scores, boxes, points = (numpy.concatenate(part) for part in zip(*found))
        kept = cv2.dnn.NMSBoxes(
            boxes.tolist(), scores.tolist(), self.detector_part["min_score"], self.detector_part["max_overlap"]
        )
        kept = numpy.array(kept, int).ravel()
        kept = kept[numpy.argsort(-boxes[kept, 2] * boxes[kept, 3], kind="stable")]
        back = numpy.array([image.shape[1] / width, image.shape[0] / height])
        return boxes[kept] * numpy.tile(back, 2), points[kept] * back, scores[kept]

    def decoded(self, outputs, stride, shape):
        """Scores, boxes and landmarks of one grid, of the cells that are sure enough."""
        of = {part: outputs[f"{part}_{stride}"][0] for part in ("cls", "obj", "bbox", "kps")}
        scores = numpy.sqrt(of["cls"].clip(0, 1) * of["obj"].clip(0, 1))[:, 0]
        cells = numpy.flatnonzero(scores >= self.detector_part["min_score"])
        place = numpy.stack([cells % (shape[1] // stride), cells // (shape[1] // stride)], 1)
        box, points = of["bbox"][cells], of["kps"][cells].reshape(-1, 5, 2)
        size = numpy.exp(box[:, 2:]) * stride
        corner = (place + box[:, :2]) * stride - size / 2
        return scores[cells], numpy.hstack([corner, size]), (points + place[:, None]) * stride

    def crop(self, image, points):
        """The face on the template."""
        side = self.part["size"]
        return cv2.warpAffine(image, similarity(points, self.template), (side, side), flags=cv2.INTER_LINEAR)

    def embed(self, crop):
        """The embedding of unit length."""
        planes = crop if self.part["colours"] == "bgr" else crop[:, :, ::-1]
        planes = (planes.transpose(2, 0, 1)[None].astype(numpy.float32) - self.part["mean"]) * self.part["scale"]
        values = self.embedder.run(None, {self.embedder.get_inputs()[0].name: planes.astype(numpy.float32)})[0][0]
        return values / numpy.linalg.norm(values)


def work(pipeline, next_photo, spent, embeddings):
    """Takes photos until there are none."""
    for at, path in iter(next_photo, None):
        clocks = [time.perf_counter()]
        image = cv2.imread(path)
        clocks.append(time.perf_counter())
        _, points, _ = pipeline.faces(image)
        clocks.append(time.perf_counter())
        if len(points):
            crop = pipeline.crop(image, points[0])
            clocks.append(time.perf_counter())
            embeddings[at] = pipeline.embed(crop)
            clocks.append(time.perf_counter())
            spent.append((time.monotonic(), numpy.diff(clocks)))


def main():
    pack_path, models, n_threads, *photos = sys.argv[1:]
    cv2.setNumThreads(1)
    with open(pack_path, "rb") as file:
        pipeline = Pipeline(tomllib.load(file), models)
    lock, numbered = threading.Lock(), iter(enumerate(photos))

    def next_photo():
        with lock:
            return next(numbered, None)

    begun, used = time.perf_counter(), time.process_time()
    spent, embeddings = [], {}
    threads = [
        threading.Thread(target=work, args=(pipeline, next_photo, spent, embeddings)) for _ in range(int(n_threads))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - used,
        "embeddings": len(embeddings),
        "first": min(moment for moment, _ in spent),
        "stages": dict(zip(STAGES, numpy.median([stages for _, stages in spent], axis=0))),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "version": f"onnxruntime {onnxruntime.__version__}, OpenCV {cv2.__version__}",
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
