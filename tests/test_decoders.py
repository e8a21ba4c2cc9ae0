import pytest
import torch

from synapsnet.model.decoders import HIDDEN, Decoder, _ReluReadout

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


def test_an_embedding_shifts_hidden_units_and_output_and_tunes_to_behaviour():
    """By hand, of a decoder whose hidden layer hands its shift on."""

    class Handed(torch.nn.Module):
        def forward(self, current, past, shift):
            return current + past.sum(-1) + shift.sum(1)

    generator = torch.Generator().manual_seed(1)
    decoder = Decoder(Handed(), n_embedding=2, n_behaviour=3, n_hidden=H).double()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    current, past, *_ = arguments()
    embedding, behaviour = (torch.randn(shape, generator=generator).double() for shape in ((N, 2), (B, 3)))
    identity = embedding @ decoder.embedding.weight.T  # (N, H + 1)
    tuning = torch.einsum("bv,ve,ne->bn", behaviour, decoder.behaviour, embedding)
    expected = current + past.sum(-1) + identity[:, :H].sum(1) + identity[:, H] + tuning
    torch.testing.assert_close(decoder(current, past, embedding, behaviour), expected)


def test_a_recurrent_decoder_adds_what_is_linear_in_the_past():
    hidden = HIDDEN["gru"](M, H, True).double().requires_grad_(False)
    current, past, _, shift, *_ = arguments()
    hidden.linear_past.zero_()
    without = hidden(current, past, shift.T)
    hidden.linear_past.copy_(torch.arange(M))
    torch.testing.assert_close(hidden(current, past, shift.T) - without, past @ torch.arange(M).double())
