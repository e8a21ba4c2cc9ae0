import pytest
import torch

from synapsnet.model.decoders import HIDDEN, _ReluReadout

B, N, M, H = 7, 3, 4, 5


def arguments():
    generator = torch.Generator().manual_seed(0)
    shapes = [(B, N), (B, N, M), (H, M + 1), (H, N), (H,), (M + 1,)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def written_out(current, past, weight, shift, readout, linear):
    u = torch.cat([past, current[..., None]], dim=-1)
    return torch.relu(u @ weight.T + shift.T) @ readout + u @ linear


def test_values_and_gradients():
    given = arguments()
    torch.testing.assert_close(_ReluReadout.apply(*given), written_out(*given))
    assert torch.autograd.gradcheck(_ReluReadout.apply, [each.requires_grad_() for each in given])
    given[1].requires_grad_(False)  # as the past of a recording is
    assert torch.autograd.gradcheck(_ReluReadout.apply, given)


def test_windows_of_a_stretch_are_no_other_case():
    current, _, *rest = arguments()
    past = torch.randn(B + M - 1, N, dtype=torch.float64).unfold(0, M, 1)
    torch.testing.assert_close(_ReluReadout.apply(current, past, *rest), written_out(current, past, *rest))


@pytest.mark.parametrize("kind", HIDDEN)
@pytest.mark.parametrize("linear_current", [True, False])
def test_all_parameters_learn_and_no_neuron_sees_another(kind, linear_current):
    torch.manual_seed(0)
    hidden = HIDDEN[kind](M, H, linear_current).double()
    with torch.no_grad():
        for parameter in hidden.parameters():
            parameter.copy_(torch.randn_like(parameter))
    current, past, _, shift, *_ = arguments()
    out = hidden(current, past, shift.T)
    out.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in hidden.parameters())
    past[:, 1:] += 1
    current[:, 1:] += 1
    assert torch.equal(hidden(current, past, shift.T)[:, 0], out[:, 0])
