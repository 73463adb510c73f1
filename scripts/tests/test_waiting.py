from macula_lab.waiting import until


def test_a_condition_is_asked_again_until_it_comes_true() -> None:
    answers = iter([False, False, True])
    assert until(lambda: next(answers), 5)


def test_a_condition_that_never_comes_true_is_given_up() -> None:
    assert not until(lambda: False, 0.05)
