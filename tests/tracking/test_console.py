"""What is said on the console stands there as it was given."""

from pathvlm_r1.tracking import say


def test_marks_are_not_obeyed_and_long_lines_are_not_broken(capsys):
    line = "outputs/[bold]run[/bold] " + "x" * 500
    say(line, "2 of 3")
    assert capsys.readouterr().out == f"{line}\n2 of 3\n"
