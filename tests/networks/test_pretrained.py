"""torchvision's published weights: found, loaded from its cache, or missed in one sentence.

No test uses the network: files stand in the cache, or come from a server on this machine.
"""

import contextlib
import hashlib
import http.server
import threading
import time
import urllib.request
from functools import partial
from pathlib import Path

import pytest
import torch
import torchvision
from stirring import stir
from test_arguments import check_sentence
from torchvision.models import ResNet18_Weights, ResNet50_Weights

import resnet_lessons
from resnet_lessons.networks import pretrained
from resnet_lessons.networks.pretrained import PUBLISHED, imagenet_weights
from resnet_lessons.networks.resnet import resnet18

V1 = ResNet18_Weights.IMAGENET1K_V1


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of torch.hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RESNET_LESSONS_OFFLINE", raising=False)
    folder = tmp_path / "home" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError(OSError("no network here"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "urlopen", refuse)


@pytest.fixture(scope="session")
def theirs():
    torch.manual_seed(3)
    return stir(torchvision.models.resnet18()).eval()


def put(cache, theirs, record=V1):
    """The file that torchvision would have downloaded, with weights of our own making."""
    torch.save(theirs.state_dict(), cache / Path(record.url).name)


# The records


@pytest.mark.parametrize("name", PUBLISHED)
def test_imagenet_names_the_first_weights_of_each_network(name):
    record = imagenet_weights(name)
    assert record is torchvision.models.get_model_weights(name).IMAGENET1K_V1
    assert len(record.meta["categories"]) == 1000 and record.meta["categories"][207] == (
        "golden retriever"
    )
    image = torch.zeros(3, 300, 400, dtype=torch.uint8)
    assert record.transforms()(image).shape == (3, 224, 224)
    assert record.meta["num_params"] == next(
        int(word.replace(",", ""))
        for word in getattr(resnet_lessons, name).__doc__.split()
        if word.count(",") == 2
    )


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ("imagenet", "IMAGENET1K_V1"),
        ("IMAGENET1K_V1", "IMAGENET1K_V1"),
        ("IMAGENET1K_V2", "IMAGENET1K_V2"),
        ("DEFAULT", "IMAGENET1K_V2"),
        ("ResNet50_Weights.IMAGENET1K_V2", "IMAGENET1K_V2"),
        (ResNet50_Weights.IMAGENET1K_V1, "IMAGENET1K_V1"),
        (ResNet50_Weights.IMAGENET1K_V2, "IMAGENET1K_V2"),
    ],
    ids=str,
)
def test_other_names_are_torchvisions(given, member):
    assert imagenet_weights("resnet50", given) is ResNet50_Weights[member]


def test_every_network_with_the_argument_is_published_and_asks_for_its_own(monkeypatch):
    asked = []
    monkeypatch.setattr(pretrained, "_published", lambda record: asked.append(record) or {})
    with torch.device("meta"):
        for name in PUBLISHED:
            with pytest.raises(ValueError, match="hold nothing"):
                getattr(resnet_lessons, name)(weights="imagenet")
    assert asked == [imagenet_weights(name) for name in PUBLISHED]


@pytest.mark.parametrize("name", ["resnet20", "hrnet_w18", "", None])
def test_a_network_without_published_weights(name):
    with pytest.raises(ValueError) as caught:
        imagenet_weights(name)
    check_sentence(str(caught.value), f"name is {name!r}", "'resnet50'")


@pytest.mark.parametrize(
    ("weights", "kind", "named"),
    [
        ("imagnet", ValueError, "weights is 'imagnet'"),
        ("IMAGENET1K_V2", ValueError, "weights is 'IMAGENET1K_V2'"),
        ("ResNet50_Weights.IMAGENET1K_V1", ValueError, "weights is 'ResNet50_Weights.IMAGENET1K"),
        (ResNet50_Weights.IMAGENET1K_V1, TypeError, "weights is ResNet50_Weights.IMAGENET1K_V1"),
        (True, TypeError, "weights is True"),
        (torch.nn.ReLU(), TypeError, "weights is a ReLU"),
        (3, TypeError, "weights is a int"),
    ],
    ids=str,
)
def test_weights_that_resnet18_has_not(weights, kind, named):
    with pytest.raises(kind) as caught:
        resnet18(weights=weights)
    check_sentence(str(caught.value), named, "'imagenet'")


# From the cache


def test_weights_in_the_cache_are_loaded_without_a_network(cache, theirs):
    put(cache, theirs)
    x = torch.randn(1, 3, 64, 64)
    for weights in ("imagenet", "DEFAULT", V1):
        torch.testing.assert_close(resnet18(weights=weights).eval()(x), theirs(x))


def test_with_other_classes_the_head_stays_as_it_was_drawn(cache, theirs):
    put(cache, theirs)
    torch.manual_seed(0)
    drawn = resnet18(num_classes=10)
    torch.manual_seed(0)
    net = resnet18(num_classes=10, weights="imagenet")
    for name, tensor in net.state_dict().items():
        source = drawn if name.startswith("fc.") else theirs
        assert torch.equal(tensor, source.state_dict()[name]), name


def test_what_does_not_fit_is_said(cache, theirs):
    put(cache, theirs)
    with pytest.raises(ValueError) as caught:
        resnet18(in_channels=1, weights="imagenet")
    check_sentence(str(caught.value), "of 3 channels", "in_channels=1", "in_channels=3")
    with pytest.raises(ValueError) as caught:
        resnet18(stem="cifar", weights="imagenet")
    check_sentence(str(caught.value), "conv1.weight is 64×3×7×7", "64×3×3×3")


def test_a_damaged_file_in_the_cache_is_named(cache, theirs):
    put(cache, theirs)
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:9999])
    with pytest.raises(ValueError) as caught:
        resnet18(weights="imagenet")
    check_sentence(str(caught.value), f"{file} is damaged or something else", "delete it")


# From a path


@pytest.mark.parametrize("kind", [str, Path, lambda path: path.name, lambda p: f"./{p.stem}"])
def test_a_path_and_a_state_dict_are_loaded_strictly(theirs, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.pth"
    torch.save(theirs.state_dict(), path)
    torch.save(theirs.state_dict(), path.with_suffix(""))
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(resnet18(weights=kind(path)).eval()(x), theirs(x))


def test_a_state_dict_is_taken_too(theirs):
    x = torch.randn(1, 3, 64, 64)
    net = resnet18(weights=theirs.state_dict()).eval()
    torch.testing.assert_close(net(x), theirs(x))


def test_a_path_has_to_have_the_right_classes(theirs, tmp_path):
    torch.save(theirs.state_dict(), tmp_path / "mine.pth")
    with pytest.raises(ValueError) as caught:
        resnet18(10, weights=tmp_path / "mine.pth")
    check_sentence(str(caught.value), "for 1000 classes", "with num_classes=10", "head=False")
    with pytest.raises(FileNotFoundError) as caught:
        resnet18(weights="none.pth")
    check_sentence(str(caught.value), "read from none.pth", "no such file")


# Over a network


def check_failure(cache, reason):
    with pytest.raises(OSError) as caught:
        resnet18(weights="imagenet")
    message = str(caught.value)
    file = str(cache / "resnet18-f37072fd.pth")
    check_sentence(message, V1.url, reason, file, "TORCH_HOME", "weights=None")
    assert repr(V1) in message
    assert not list(cache.iterdir())


def test_without_a_network_one_sentence_says_from_where_and_where_to(cache):
    check_failure(cache, "(no network here)")


def test_the_network_may_be_forbidden(cache, monkeypatch):
    def asked(*_, **__):
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(urllib.request, "urlopen", asked)
    monkeypatch.setenv("RESNET_LESSONS_OFFLINE", "1")
    check_failure(cache, "RESNET_LESSONS_OFFLINE forbids the network")


def test_a_name_server_that_does_not_answer_is_given_up(cache, monkeypatch):
    asked = threading.Event()

    def hang(*_, **__):
        asked.set()
        time.sleep(5)

    monkeypatch.setattr(urllib.request, "urlopen", hang)
    monkeypatch.setattr(pretrained, "PATIENCE", 0.2)
    started = time.monotonic()
    check_failure(cache, "(no answer within 0.2 s)")
    assert asked.is_set() and time.monotonic() - started < 4


def test_an_error_without_a_word_is_named_by_its_kind(cache, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionResetError

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    check_failure(cache, "(ConnectionResetError)")


class Handler(http.server.SimpleHTTPRequestHandler):
    asked: list

    def log_message(self, *_):
        type(self).asked.append(f"{self.command} {self.path}")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder, its address, and what was asked for; only this machine can be reached."""
    monkeypatch.undo()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("RESNET_LESSONS_OFFLINE", raising=False)
    folder = tmp_path / "served"
    folder.mkdir()
    handler = type("Here", (Handler,), {"asked": []})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=folder)
    ) as there:
        threading.Thread(target=there.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{there.server_address[1]}", handler.asked
        there.shutdown()


@contextlib.contextmanager
def published_at(url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(V1.value, "url", url)
        yield


def test_weights_are_downloaded_once_and_their_hash_is_checked(
    server, theirs, cache, monkeypatch, capsys
):
    folder, address, asked = server
    torch.save(theirs.state_dict(), folder / "net.pth")
    digest = hashlib.sha256((folder / "net.pth").read_bytes()).hexdigest()[:8]
    name = f"resnet18-{digest}.pth"
    (folder / "net.pth").rename(folder / name)
    x = torch.randn(1, 3, 64, 64)
    with published_at(f"{address}/{name}", monkeypatch):
        for _ in range(2):
            torch.testing.assert_close(resnet18(weights="imagenet").eval()(x), theirs(x))
    assert [line.split()[0] for line in asked] == ["HEAD", "GET"]
    assert [file.name for file in cache.iterdir()] == [name]
    assert "100%" in capsys.readouterr().err  # torchvision's progress bar


@pytest.mark.parametrize("content", [b"<html>log in first</html>", None])
def test_what_is_not_the_file_is_not_kept(server, cache, monkeypatch, content, capsys):
    folder, address, _ = server
    name = "resnet18-f37072fd.pth"
    if content:
        (folder / name).write_bytes(content)
    with published_at(f"{address}/{name}", monkeypatch):
        check_failure(cache, "invalid hash value" if content else "404")
