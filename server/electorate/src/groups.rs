//! Groups of neighbouring rows, and the first match in each of them.

/// Groups of neighbouring rows: households and doors.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Bit set where a row belongs to the same group as the row before.
    same: Vec<u64>,
    /// Groups that start before each word.
    before: Vec<u32>,
}

impl Groups {
    /// Number of the group that a row belongs to, from 1.
    pub(crate) fn ordinal(&self, row: usize) -> u32 {
        let (word, bit) = (row / 64, row % 64);
        let starts = !self.same[word] & (!0u64 >> (63 - bit));
        self.before[word] + starts.count_ones()
    }

    /// Bytes that the groups take.
    pub(crate) fn memory(&self) -> usize {
        self.same.len() * 8 + self.before.len() * 4
    }

    pub(crate) fn new(same: Vec<u64>) -> Groups {
        let mut before = Vec::with_capacity(same.len());
        let mut count = 0;
        for word in &same {
            before.push(count);
            count += (!word).count_ones();
        }
        Groups { same, before }
    }
}

/// Finds the first match of each group of neighbouring rows, word after word.
#[derive(Debug, Default)]
pub(crate) struct Firsts {
    /// Whether the group that reaches the end of the last word has a match.
    open: bool,
    /// Word and bits of the last match, for when words are skipped.
    last: Option<(usize, u64)>,
}

impl Firsts {
    /// Begins a chunk: a group that began before it may have had its match.
    pub(crate) fn enter(&mut self, groups: &Groups, at: usize) {
        let Some((word, bits)) = self.last else { return };
        let last = word * 64 + 63 - bits.leading_zeros() as usize;
        // The group that reaches into the chunk has the number of those that started before.
        self.open = groups.before.get(at).is_some_and(|before| groups.ordinal(last) == *before);
    }

    /// Those of the matches that are the first of their group.
    pub(crate) fn word(&mut self, groups: &Groups, place: usize, matches: u64) -> u64 {
        let same = groups.same[place];
        // A row has a match before it in its group where the row before matches or has one, carried along the group.
        let mut after = (matches << 1 | u64::from(self.open)) & same;
        let mut along = same;
        for step in [1, 2, 4, 8, 16, 32] {
            after |= along & (after << step);
            along &= along << step;
        }
        self.open = (matches | after) >> 63 == 1;
        if matches != 0 {
            self.last = Some((place, matches));
        }
        matches & !after
    }
}
