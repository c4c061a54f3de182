//! sqlfluff's old rule codes, which its 2.0 renamed and still accepts.

/// Old code or name → today's code. sqlfluff's rules carry these as `aliases`.
const LEGACY: [(&str, &str); 70] = [
    ("L001", "LT01"),
    ("L002", "LT02"),
    ("L003", "LT02"),
    ("L004", "LT02"),
    ("L005", "LT01"),
    ("L006", "LT01"),
    ("L007", "LT03"),
    ("L008", "LT01"),
    ("L009", "LT12"),
    ("L010", "CP01"),
    ("L011", "AL01"),
    ("L012", "AL02"),
    ("L013", "AL03"),
    ("L014", "CP02"),
    ("L015", "ST08"),
    ("L016", "LT05"),
    ("L017", "LT06"),
    ("L018", "LT07"),
    ("L019", "LT04"),
    ("L020", "AL04"),
    ("L021", "AM01"),
    ("L022", "LT08"),
    ("L023", "LT01"),
    ("L024", "LT01"),
    ("L025", "AL05"),
    ("L026", "RF01"),
    ("L027", "RF02"),
    ("L028", "RF03"),
    ("L029", "RF04"),
    ("L030", "CP03"),
    ("L031", "AL07"),
    ("L032", "ST07"),
    ("L033", "AM02"),
    ("L034", "ST06"),
    ("L035", "ST01"),
    ("L036", "LT09"),
    ("L037", "AM03"),
    ("L038", "CV03"),
    ("L039", "LT01"),
    ("L040", "CP04"),
    ("L041", "LT10"),
    ("L042", "ST05"),
    ("L043", "ST02"),
    ("L044", "AM04"),
    ("L045", "ST03"),
    ("L046", "JJ01"),
    ("L047", "CV04"),
    ("L048", "LT01"),
    ("L049", "CV05"),
    ("L050", "LT13"),
    ("L051", "AM05"),
    ("L052", "CV06"),
    ("L053", "CV07"),
    ("L054", "AM06"),
    ("L055", "CV08"),
    ("L056", "TQ01"),
    ("L057", "RF05"),
    ("L058", "ST04"),
    ("L059", "RF06"),
    ("L060", "CV02"),
    ("L061", "CV01"),
    ("L062", "CV09"),
    ("L063", "CP05"),
    ("L064", "CV10"),
    ("L065", "LT11"),
    ("L066", "AL06"),
    ("L067", "CV11"),
    ("L068", "AM07"),
    ("L071", "LT01"),
    ("layout.end-of-file", "LT12"),
];

/// Today's code of an old one; anything else as it is.
pub(super) fn current(reference: &str) -> &str {
    LEGACY.iter().find(|(old, _)| *old == reference).map_or(reference, |(_, code)| code)
}

/// The old codes that match a glob, with their current ones.
pub(super) fn matching(pattern: &glob::Pattern) -> impl Iterator<Item = &'static str> {
    LEGACY.iter().filter(|(old, _)| pattern.matches(old)).map(|(_, code)| *code)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_old_code_becomes_the_current_one() {
        assert_eq!(super::current("L039"), "LT01");
        assert_eq!(super::current("AM04"), "AM04");
    }
}
