//! Medians and ratios.

/// A value of every round, as its median and its extremes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

/// The median and extremes of some values; zeros where there are none.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or_default();
    let (half, last) = (values.len() / 2, values.len().saturating_sub(1));
    let median = if values.len().is_multiple_of(2) {
        (at(half.saturating_sub(1)) + at(half)) / 2.0
    } else {
        at(half)
    };
    Spread { median, least: at(0), greatest: at(last) }
}

/// The ratios of two contenders, round by round.
pub(crate) fn ratios(
    above: impl IntoIterator<Item = f64>,
    below: impl IntoIterator<Item = f64>,
) -> Spread {
    spread(above.into_iter().zip(below).map(|(above, below)| above / below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert!((spread([3.0, 1.0, 2.0]).median - 2.0).abs() < f64::EPSILON);
        assert!((spread([4.0, 1.0, 2.0, 3.0]).median - 2.5).abs() < f64::EPSILON);
        assert!((spread([]).median).abs() < f64::EPSILON);
    }

    #[test]
    fn ratios_are_made_within_a_round() {
        let spread = ratios([1.0, 4.0, 9.0], [1.0, 2.0, 3.0]);
        assert!((spread.least - 1.0).abs() < f64::EPSILON);
        assert!((spread.median - 2.0).abs() < f64::EPSILON);
        assert!((spread.greatest - 3.0).abs() < f64::EPSILON);
    }
}
