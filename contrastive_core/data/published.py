"""Published files of downloadable data sets and their digests, readable without heavy imports."""

from dataclasses import dataclass

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


@dataclass(frozen=True)
class PublishedFile:
    """A file of a downloadable data set, the download that it comes in, and the digests by which it is recognised.

    Attributes
    ----------
    name : str
        File name without ``.gz``.
    archive : str
        SHA-256 of the download as published, in hexadecimal, which must match it.
    content : str, optional
        SHA-256 of the uncompressed file, which copies that were compressed again still match; None if unknown.
    source : str
        Name of the download, where that is not ``name`` with ``.gz``.
    """

    name: str
    archive: str
    content: str | None = None
    source: str = ""

    @property
    def download(self) -> str:
        """Name of the download: a tar archive of several files, the file itself, or the file compressed by gzip."""
        return self.source or f"{self.name}.gz"


# Digests of archives are those of TensorFlow Datasets. Those of Fashion-MNIST were also recomputed, from files whose restored gzip
# headers gave the MD5 that torchvision publishes. Digests of MNIST's contents come from files with the known MD5 and size. The contents
# of KMNIST were not available, so their digests are unknown.
MNIST = (
    PublishedFile(
        TRAIN_IMAGES,
        archive="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        content="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    PublishedFile(
        TRAIN_LABELS,
        archive="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        content="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    PublishedFile(
        TEST_IMAGES,
        archive="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        content="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    PublishedFile(
        TEST_LABELS,
        archive="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        content="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
FASHION_MNIST = (
    PublishedFile(
        TRAIN_IMAGES,
        archive="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        content="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    PublishedFile(
        TRAIN_LABELS,
        archive="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        content="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    PublishedFile(
        TEST_IMAGES,
        archive="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        content="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    PublishedFile(
        TEST_LABELS,
        archive="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        content="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)
KMNIST = (
    PublishedFile(TRAIN_IMAGES, archive="51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    PublishedFile(TRAIN_LABELS, archive="e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    PublishedFile(TEST_IMAGES, archive="edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    PublishedFile(TEST_LABELS, archive="20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
)

# Digests of the CIFAR archives and of SVHN are those of TensorFlow Datasets, digests of the CIFAR files those of torchvision for Ruby.
_CIFAR10 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
_CIFAR100 = {
    "train.bin": "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
    "test.bin": "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
}
_SVHN = {
    "train_32x32.mat": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    "test_32x32.mat": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
}
SVHN = tuple(PublishedFile(name, digest, digest, name) for name, digest in _SVHN.items())
CIFAR10 = tuple(
    PublishedFile(name, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", digest, "cifar-10-binary.tar.gz")
    for name, digest in _CIFAR10.items()
)
CIFAR100 = tuple(
    PublishedFile(name, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", digest, "cifar-100-binary.tar.gz")
    for name, digest in _CIFAR100.items()
)
