"""One peer at work: reads a file of faces, does its part, prints what it did as JSON.

usage: contenders.py NAME FILE.npz COSINE [CLUSTERS]

`peers.py` starts it, each time in a process of its own. The seconds are those from the vectors in memory to the pairs
or the clusters; loading the packages, reading the file and counting what was found are not among them. With CLUSTERS
the number of each face's cluster is written there, a line a face.
"""

import importlib
import json
import sys
import time

import numpy

NEIGHBOURS = 64  # asked for of each face by the graphs
M = 16  # links of a face in a graph
EF_CONSTRUCTION = 100
EF = 128


def faiss_flat(x, cosine):
    """Every pair by IndexFlatIP.range_search, which gives each twice."""
    import faiss

    index = faiss.IndexFlatIP(x.shape[1])
    index.add(x)
    found = 0
    for at in range(0, len(x), 4096):  # in batches, so that the pairs fit
        limits, _, _ = index.range_search(x[at : at + 4096], cosine)
        found += int(limits[-1])
    return {"pairs": (found - len(x)) // 2}


def faiss_hnsw(x, cosine):
    import faiss

    index = faiss.IndexHNSWFlat(x.shape[1], M, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = EF_CONSTRUCTION
    index.hnsw.efSearch = EF
    index.add(x)
    cosines, others = index.search(x, min(NEIGHBOURS, len(x)))
    return {"near": (others, cosines)}


def hnswlib_graph(x, cosine):
    import hnswlib

    index = hnswlib.Index(space="ip", dim=x.shape[1])
    index.init_index(max_elements=len(x), M=M, ef_construction=EF_CONSTRUCTION)
    index.add_items(x)
    index.set_ef(EF)
    others, distances = index.knn_query(x, min(NEIGHBOURS, len(x)))
    return {"near": (others, 1 - distances)}


def usearch_graph(x, cosine):
    from usearch.index import Index

    index = Index(
        ndim=x.shape[1],
        metric="ip",
        dtype="f32",
        connectivity=M,
        expansion_add=EF_CONSTRUCTION,
        expansion_search=EF,
    )
    index.add(numpy.arange(len(x)), x)
    found = index.search(x, min(NEIGHBOURS, len(x)))
    return {"near": (found.keys, 1 - found.distances)}


def sklearn_dbscan(x, cosine):
    """Every face is a core, so that the clusters are all that hang together."""
    from sklearn.cluster import DBSCAN

    return {"clusters": DBSCAN(eps=1 - cosine, min_samples=1, metric="cosine", n_jobs=-1).fit_predict(x)}


def sklearn_complete(x, cosine):
    from sklearn.cluster import AgglomerativeClustering

    model = AgglomerativeClustering(None, metric="cosine", linkage="complete", distance_threshold=1 - cosine)
    return {"clusters": model.fit_predict(x.astype(numpy.float64))}


def distances(x):
    """1 - cosine of every pair, in the order of SciPy; in blocks, which is faster than pdist and needs no copy."""
    x = x.astype(numpy.float64)
    n, at = len(x), 0
    condensed = numpy.empty(n * (n - 1) // 2)
    for first in range(0, n, 256):
        for row, products in enumerate(x[first : first + 256] @ x[first:].T, first + 1):
            condensed[at : at + n - row] = products[row - first :]
            at += n - row
    numpy.subtract(1.0, condensed, out=condensed)
    return numpy.clip(condensed, 0, 2, out=condensed)


def scipy_complete(x, cosine):
    from scipy.cluster.hierarchy import fcluster, linkage

    return {"clusters": fcluster(linkage(distances(x), "complete"), 1 - cosine, "distance")}


def fastcluster_complete(x, cosine):
    import fastcluster
    from scipy.cluster.hierarchy import fcluster

    tree = fastcluster.linkage(distances(x), "complete", preserve_input=False)
    return {"clusters": fcluster(tree, 1 - cosine, "distance")}


# By name: the packages that are loaded before the time begins, and what is done.
CONTENDERS = {
    "faiss-flat": (["faiss"], faiss_flat),
    "faiss-hnsw": (["faiss"], faiss_hnsw),
    "hnswlib": (["hnswlib"], hnswlib_graph),
    "usearch": (["usearch", "usearch.index"], usearch_graph),
    "sklearn-dbscan": (["sklearn", "sklearn.cluster"], sklearn_dbscan),
    "sklearn-complete": (["sklearn", "sklearn.cluster"], sklearn_complete),
    "scipy-complete": (["scipy", "scipy.cluster.hierarchy"], scipy_complete),
    "fastcluster": (["fastcluster", "scipy.cluster.hierarchy"], fastcluster_complete),
}


def count_pairs(others, cosines, cosine):
    """How many pairs at the threshold are in the lists of neighbours, each counted once."""
    n, k = others.shape
    faces = numpy.repeat(numpy.arange(n, dtype=numpy.int64), k)
    others, cosines = numpy.asarray(others, dtype=numpy.int64).ravel(), numpy.asarray(cosines).ravel()
    kept = (cosines >= cosine) & (others != faces) & (others >= 0)
    faces, others = faces[kept], others[kept]
    return len(numpy.unique(numpy.minimum(faces, others) * n + numpy.maximum(faces, others)))


def main():
    name, path, cosine, *clusters_path = sys.argv[1:]
    packages, work = CONTENDERS[name]
    loaded = [importlib.import_module(package) for package in packages]
    x, cosine = numpy.load(path)["embeddings"], float(cosine)
    begun = time.perf_counter()
    result = work(x, cosine)
    answer = {"seconds": time.perf_counter() - begun, "version": getattr(loaded[0], "__version__", "")}
    if "near" in result:
        answer["pairs"] = count_pairs(*result["near"], cosine)
    elif "pairs" in result:
        answer["pairs"] = result["pairs"]
    else:
        answer["clusters"] = len(set(result["clusters"].tolist()))
        if clusters_path:
            numpy.savetxt(clusters_path[0], result["clusters"], fmt="%d")
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
