"""The judge finds what it is there for."""

import unittest

import journal


class Judge(unittest.TestCase):
    def test_one_after_the_other_is_no_fault(self) -> None:
        spans = journal.parse("a", "1 serve 3 5-7\n4 stop 3 5-7\n") + journal.parse("b", "4 serve 3 5-9\n")
        self.assertEqual(journal.faults(spans), [])
        self.assertEqual(journal.serving(spans), {3: "b"})

    def test_two_at_one_instant_are_found(self) -> None:
        for first in ("1 serve 3 5-7\n5 stop 3 5-7\n", "1 serve 3 5-7\n"):
            spans = journal.parse("a", first) + journal.parse("b", "4 serve 3 5-9\n6 stop 3 5-9\n")
            self.assertTrue(journal.faults(spans)[0].startswith("two at once"), first)

    def test_a_fence_that_does_not_grow_is_found(self) -> None:
        spans = journal.parse("a", "1 serve 3 5-7\n2 stop 3 5-7\n") + journal.parse("b", "3 serve 3 5-7\n")
        self.assertTrue(journal.faults(spans)[0].startswith("the fence does not grow"))

    def test_the_same_pod_may_go_on_under_its_fence(self) -> None:
        spans = journal.parse("a", "1 serve 3 5-7\n2 stop 3 5-7\n8 serve 3 5-7\n")
        self.assertEqual(journal.faults(spans), [])
        self.assertEqual(journal.longest_gap_ms(spans), 0)

    def test_a_journal_that_makes_no_sense_is_an_error(self) -> None:
        for text in ("1 serve 3 5-7\n2 serve 3 5-7\n", "1 stop 3 5-7\n", "1 serve 3 5-7\n2 stop 3 5-8\n"):
            with self.assertRaises((ValueError, KeyError), msg=text):
                journal.parse("a", text)

    def test_a_line_that_is_half_written_is_left_out(self) -> None:
        self.assertEqual(journal.parse("a", "1 serve 3 5-"), [])


if __name__ == "__main__":
    unittest.main()
