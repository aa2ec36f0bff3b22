"""Fashion-MNIST: grey 28 x 28 pictures of clothes in ten classes (Xiao, Rasul & Vollgraf, 2017), as MNIST is stored.

https://github.com/zalandoresearch/fashion-mnist. The publisher gives MD5 only. These SHA-256 are those of TensorFlow
Datasets (url_checksums/fashion_mnist.txt); the two of labels were also computed from the publisher's repository.
"""

from pathlib import Path

from glorot.datasets import DataFile, FiniteDataset, mnist
from glorot.datasets.download import download

CLASS_NAMES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
SIZES = {
    "train-images-idx3-ubyte.gz": 26_421_880,
    "train-labels-idx1-ubyte.gz": 29_515,
    "t10k-images-idx3-ubyte.gz": 4_422_102,
    "t10k-labels-idx1-ubyte.gz": 5_148,
}  # bytes
SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
ADDRESSES = [  # the publisher's other one, fashion-mnist.s3-website.eu-central-1.amazonaws.com, has no https
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
]
FOLDER = "fashion-mnist"
REMEDY = "fetch it again with `glorot data fetch fashion_mnist`"


def files(folder: Path) -> list[DataFile]:
    """The four archives, below folder/fashion-mnist."""
    return [DataFile(folder / FOLDER / name, sha256) for name, sha256 in SHA256.items()]


def fetch(folder: Path) -> None:
    """Download the archives that are not there or not right. Raises DataError where none can be had."""
    for file in files(folder):
        name = file.path.name
        download([address + name for address in ADDRESSES], file.path, file.sha256, SIZES[name])


def load(folder: Path) -> FiniteDataset:
    """Fashion-MNIST from folder/fashion-mnist/*.gz. Raises DataError for a file that is not what it should be."""
    return mnist.load_archives("fashion_mnist", folder / FOLDER, SHA256, REMEDY)
