"""The aesthetic filter: both public head layouts, both file kinds, both modes, damaged files."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from storymem.errors import SettingsError
from storymem.plugin import Kind, PluginHost
from storymem_plugins.selection.aesthetic import AestheticFilter, AestheticSettings
from storymem_plugins.selection.heads import read_head

WIDTHS = [8, 6, 4, 1]


def mlp(widths=WIDTHS):
    """A network in the layout of LAION's second predictor: linear layers and dropout in turn, no activations."""
    parts = []
    for inputs, outputs in pairwise(widths):
        parts += [torch.nn.Linear(inputs, outputs), torch.nn.Dropout(0.2)]
    return torch.nn.Sequential(*parts).eval()


def save(path, state):
    if path.suffix == ".safetensors":
        save_file({k: v.numpy() for k, v in state.items()}, path)
    else:
        torch.save(state, path)
    return path


@pytest.fixture
def rows():
    rows = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def identity_head(tmp_path):
    """A head whose score is ten times the first number of the embedding."""
    weight = torch.zeros(1, 8)
    weight[0, 0] = 10
    return save(tmp_path / "head.safetensors", {"weight": weight, "bias": torch.zeros(1)})


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("prefix", ["layers.", ""])
def test_mlp_layout_scores_as_the_network_does(tmp_path, rows, suffix, prefix):
    torch.manual_seed(0)
    network = mlp()
    state = {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}
    head = read_head(save(tmp_path / f"head{suffix}", state))
    with torch.no_grad():
        np.testing.assert_allclose(head(rows), network(torch.from_numpy(rows))[:, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_linear_layout_scores_as_the_layer_does(tmp_path, rows, suffix):
    torch.manual_seed(0)
    layer = torch.nn.Linear(8, 1)
    head = read_head(save(tmp_path / f"head{suffix}", layer.state_dict()))
    with torch.no_grad():
        np.testing.assert_allclose(head(rows), layer(torch.from_numpy(rows))[:, 0].numpy(), atol=1e-6)


def test_nested_state_dict(tmp_path, rows):
    layer = torch.nn.Linear(8, 1)
    path = tmp_path / "head.pth"
    torch.save({"state_dict": layer.state_dict()}, path)
    assert read_head(path)(rows).shape == (6,)


@given(widths=st.lists(st.integers(1, 9), min_size=1, max_size=12), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_layers_are_ordered_by_number(tmp_path_factory, widths, seed):
    torch.manual_seed(seed)
    network = mlp([*widths, 1]).double()
    path = save(tmp_path_factory.mktemp("head") / "head.safetensors", network.state_dict())
    rows = np.random.default_rng(seed).normal(size=(2, widths[0])).astype(np.float32)
    with torch.no_grad():
        wanted = network(torch.from_numpy(rows).double())[:, 0].numpy()
    np.testing.assert_allclose(read_head(path)(rows), wanted, atol=1e-9)


def context(numbered, context_of, row_encoder, first_numbers):
    rows = np.zeros((len(first_numbers), 8), dtype=np.float32)
    rows[:, 0] = first_numbers
    return context_of(numbered(len(rows)), encoder=row_encoder(rows))


def test_threshold_mode(numbered, context_of, row_encoder, identity_head):
    shot = context(numbered, context_of, row_encoder, [0.1, 0.5, 0.9])
    verdicts = AestheticFilter(AestheticSettings(head=identity_head, threshold=5)).judge([0, 1, 2], shot)
    assert [v.keep for v in verdicts] == [False, True, True]
    assert [v.score for v in verdicts] == pytest.approx([1, 5, 9], abs=1e-6)
    assert (verdicts[0].threshold, verdicts[0].reason) == (5, "low aesthetic score")


def test_top_k_mode_counts_new_frames_only(numbered, context_of, row_encoder, identity_head):
    shot = context(numbered, context_of, row_encoder, [0.9, 0.2, 0.5, 0.5, 0.1])
    shot.first = 1
    by_rank = AestheticFilter(AestheticSettings(head=identity_head, mode="top_k", top_k=2))
    verdicts = by_rank.judge([1, 2, 3, 4], shot)
    assert [v.keep for v in verdicts] == [False, True, True, False]
    assert verdicts[0].threshold == pytest.approx(5)
    assert verdicts[0].reason == "not among the clip's best 2"
    assert shot.encoder.calls == [5]


def test_one_frame_clip_in_top_k_mode(numbered, context_of, row_encoder, identity_head):
    shot = context(numbered, context_of, row_encoder, [0.0])
    (verdict,) = AestheticFilter(AestheticSettings(head=identity_head, mode="top_k")).judge([0], shot)
    assert verdict.keep


def test_encoder_of_another_dimension(numbered, context_of, row_encoder, identity_head):
    shot = context_of(numbered(1), encoder=row_encoder(np.eye(5, dtype=np.float32)))
    with pytest.raises(SettingsError) as caught:
        AestheticFilter(AestheticSettings(head=identity_head)).judge([0], shot)
    assert str(caught.value) == (
        "aesthetic head head.safetensors takes embeddings of 8 numbers, but encoder RowEncoder gives 5; "
        "use the encoder it was trained for"
    )


def test_fingerprint_knows_the_content_not_the_place(identity_head, tmp_path):
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(identity_head.read_bytes())
    first, second = (AestheticFilter(AestheticSettings(head=h)).fingerprint() for h in (identity_head, moved))
    assert first == second
    save(moved, {"weight": torch.ones(1, 8), "bias": torch.zeros(1)})
    assert AestheticFilter(AestheticSettings(head=moved)).fingerprint() != first


class Hostile:
    def __reduce__(self):
        return (print, ("run by the loader",))


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("none.pth", None, "no such file"),
        ("head.txt", lambda p: p.write_text("x"), "must be one of .safetensors, .pth"),
        ("head.safetensors", lambda p: p.write_bytes(b"nonsense" * 9), "damaged or not a weights file"),
        ("head.pth", lambda p: p.write_bytes(b"nonsense"), "damaged or not a weights file"),
        ("head.pth", lambda p: torch.save(Hostile(), p), "damaged or not a weights file"),
        ("head.pth", lambda p: torch.save({}, p), "holds no linear layers"),
        ("head.pth", lambda p: save(p, {"bias": torch.ones(1)}), "holds no linear layers"),
        ("head.pth", lambda p: save(p, {"conv.weight": torch.ones(1, 2, 3)}), "holds conv.weight of shape (1, 2, 3)"),
        ("head.pth", lambda p: save(p, {"scale": torch.ones(1)}), "holds scale of shape (1,)"),
        ("head.pth", lambda p: save(p, {"weight": torch.ones(2, 8)}), "must end in one finite score, not 2"),
        ("head.pth", lambda p: save(p, {"weight": torch.full((1, 8), float("nan"))}), "must end in one finite"),
        (
            "head.pth",
            lambda p: save(p, {"0.weight": torch.ones(3, 8), "1.weight": torch.ones(1, 4)}),
            "a layer of 3 outputs is followed by one of 4 inputs",
        ),
    ],
)  # fmt: skip
def test_bad_head_is_one_clear_line(tmp_path, capsys, name, write, says):
    path = tmp_path / name
    if write:
        write(path)
    with pytest.raises(SettingsError) as caught:
        PluginHost().build(Kind.FRAME_FILTER, "aesthetic", {"head": str(path)})
    message = str(caught.value)
    assert message.startswith(f"aesthetic head {path}: ")
    assert says in message
    assert "\n" not in message
    assert capsys.readouterr().out == ""


def test_head_is_required():
    with pytest.raises(SettingsError, match="filter 'aesthetic': head: missing"):
        PluginHost().build(Kind.FRAME_FILTER, "aesthetic", {})
