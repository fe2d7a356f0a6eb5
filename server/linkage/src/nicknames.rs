//! Short forms of English and Spanish given names, as voters and volunteers write them.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A given name and its short forms.
const FORMS: &[(&str, &str)] = &[
    ("ABIGAIL", "ABBY GAIL"),
    ("ABRAHAM", "ABE"),
    ("ALBERT", "AL BERT"),
    ("ALEJANDRO", "ALEX ALE"),
    ("ALEXANDER", "ALEX AL SANDY XANDER"),
    ("ALEXANDRA", "ALEX LEXI SANDY"),
    ("ALFRED", "AL FRED"),
    ("AMANDA", "MANDY"),
    ("ANDREW", "ANDY DREW"),
    ("ANGELA", "ANGIE"),
    ("ANTHONY", "TONY"),
    ("ANTONIO", "TONY TONO"),
    ("ARTHUR", "ART"),
    ("BARBARA", "BARB BARBIE BABS"),
    ("BENJAMIN", "BEN BENNY"),
    ("BERNARD", "BERNIE"),
    ("BEVERLY", "BEV"),
    ("BRADLEY", "BRAD"),
    ("CALVIN", "CAL"),
    ("CAROLYN", "CAROL LYN CARRIE"),
    ("CATHERINE", "CATHY CATE KATE CAT"),
    ("CHARLES", "CHUCK CHARLIE CHAS"),
    ("CHARLOTTE", "CHARLIE LOTTIE"),
    ("CHRISTINE", "CHRIS CHRISSY TINA"),
    ("CHRISTINA", "CHRIS CHRISSY TINA"),
    ("CHRISTOPHER", "CHRIS TOPHER KIT"),
    ("CYNTHIA", "CINDY"),
    ("DANIEL", "DAN DANNY"),
    ("DAVID", "DAVE DAVEY"),
    ("DEBORAH", "DEB DEBBIE DEBRA"),
    ("DONALD", "DON DONNIE"),
    ("DOROTHY", "DOT DOTTIE"),
    ("DOUGLAS", "DOUG"),
    ("EDWARD", "ED EDDIE TED NED"),
    ("ELEANOR", "ELLIE NELL NORA"),
    ("ELIZABETH", "LIZ BETH BETTY BETSY LIBBY LIZZIE ELIZA LISA"),
    ("EUGENE", "GENE"),
    ("FRANCES", "FRAN FRANNIE"),
    ("FRANCIS", "FRANK FRAN"),
    ("FRANCISCO", "PACO PANCHO FRANK CISCO"),
    ("FRANKLIN", "FRANK"),
    ("FREDERICK", "FRED FREDDY RICK"),
    ("GABRIEL", "GABE"),
    ("GEOFFREY", "GEOFF JEFF"),
    ("GERALD", "GERRY JERRY"),
    ("GREGORY", "GREG"),
    ("GUADALUPE", "LUPE"),
    ("HAROLD", "HAL HARRY"),
    ("HENRY", "HANK HARRY"),
    ("ISABELLA", "BELLA IZZY"),
    ("JACOB", "JAKE"),
    ("JACQUELINE", "JACKIE"),
    ("JAMES", "JIM JIMMY JAMIE"),
    ("JANET", "JAN"),
    ("JEFFREY", "JEFF"),
    ("JENNIFER", "JEN JENNY"),
    ("JEREMY", "JERRY"),
    ("JESSICA", "JESS JESSIE"),
    ("JESUS", "CHUY"),
    ("JOHN", "JACK JOHNNY JON"),
    ("JONATHAN", "JON"),
    ("JOSE", "PEPE JOE"),
    ("JOSEPH", "JOE JOEY"),
    ("JOSHUA", "JOSH"),
    ("JUDITH", "JUDY"),
    ("KATHERINE", "KATHY KATE KATIE KAY KIT"),
    ("KATHLEEN", "KATHY KATE KATIE"),
    ("KENNETH", "KEN KENNY"),
    ("KIMBERLY", "KIM"),
    ("LAWRENCE", "LARRY"),
    ("LEONARD", "LEN LENNY LEO"),
    ("LILLIAN", "LILY LIL"),
    ("LOUIS", "LOU LOUIE"),
    ("LUCILLE", "LUCY"),
    ("MADELINE", "MADDIE"),
    ("MANUEL", "MANNY MANOLO"),
    ("MARGARET", "PEGGY MAGGIE MEG MARGE PEG"),
    ("MARTHA", "MARTY"),
    ("MATTHEW", "MATT"),
    ("MELISSA", "MISSY MEL LISSA"),
    ("MICHAEL", "MIKE MICK MICKEY"),
    ("MICHELLE", "SHELLY"),
    ("NANCY", "NAN"),
    ("NATHANIEL", "NATE NAT NATHAN"),
    ("NICHOLAS", "NICK"),
    ("NICOLE", "NICKI"),
    ("PAMELA", "PAM"),
    ("PATRICIA", "PAT PATTY TRISH TRICIA"),
    ("PATRICK", "PAT PADDY"),
    ("PETER", "PETE"),
    ("PHILIP", "PHIL"),
    ("PHILLIP", "PHIL"),
    ("RACHEL", "RAE"),
    ("RAYMOND", "RAY"),
    ("REBECCA", "BECKY BECCA"),
    ("RICHARD", "DICK RICK RICH RICKY RICHIE"),
    ("ROBERT", "BOB ROB BOBBY ROBBIE BERT"),
    ("ROBERTO", "BETO BOB"),
    ("RONALD", "RON RONNIE"),
    ("RUSSELL", "RUSS"),
    ("SAMANTHA", "SAM"),
    ("SAMUEL", "SAM SAMMY"),
    ("SANDRA", "SANDY"),
    ("SHARON", "SHARI"),
    ("STANLEY", "STAN"),
    ("STEPHANIE", "STEPH"),
    ("STEPHEN", "STEVE"),
    ("STEVEN", "STEVE"),
    ("SUSAN", "SUE SUZIE SUSIE"),
    ("TERESA", "TERRY TESS"),
    ("THEODORE", "TED TEDDY THEO"),
    ("THERESA", "TERRY TESS"),
    ("THOMAS", "TOM TOMMY"),
    ("TIMOTHY", "TIM"),
    ("VALERIE", "VAL"),
    ("VERONICA", "RONNIE VERA"),
    ("VICTORIA", "VICKY TORI"),
    ("VINCENT", "VINCE VINNIE"),
    ("VIRGINIA", "GINNY"),
    ("WALTER", "WALT WALLY"),
    ("WILLIAM", "BILL WILL BILLY WILLIE LIAM"),
    ("ZACHARY", "ZACH ZACK"),
];

/// The names that each text stands for, by their place in `FORMS`.
static STANDS_FOR: LazyLock<HashMap<&str, Vec<usize>>> = LazyLock::new(|| {
    let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, (whole, short)) in FORMS.iter().enumerate() {
        [*whole].into_iter().chain(short.split(' ')).for_each(|form| names.entry(form).or_default().push(at));
    }
    names
});

/// Whether a name has short forms or is one.
pub(crate) fn known(name: &str) -> bool {
    STANDS_FOR.contains_key(name)
}

/// Whether one is a short form of the other, or both are of the same name.
pub(crate) fn related(left: &str, right: &str) -> bool {
    let Some(names) = STANDS_FOR.get(left) else { return false };
    STANDS_FOR.get(right).is_some_and(|others| names.iter().any(|name| others.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::related;

    #[test]
    fn short_forms_are_related_to_their_name_and_to_each_other() {
        for (left, right, told) in [
            ("BILL", "WILLIAM", true),
            ("PEGGY", "MEG", true),
            ("BILL", "ROBERT", false),
            ("ANNE", "ANN", false),
        ] {
            assert_eq!(related(left, right), told, "{left} {right}");
        }
    }
}
