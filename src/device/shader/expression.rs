//! Whole-number expressions of the templates: `+ - * / %` with the usual precedence, from left to right among equals, and parentheses.

type Result<T> = std::result::Result<T, String>;

/// The value of an expression; names are looked up with `constant`.
///
/// # Errors
/// A message that begins with the expression: what is wrong with it, or that it has no value (division by 0, numbers beyond 64 bits).
pub(super) fn value(text: &str, constant: impl Fn(&str) -> Option<i64>) -> Result<i64> {
    let mut parser = Parser { rest: text.trim(), constant };
    let value = parser.sum().and_then(|value| match parser.rest {
        "" => Ok(value),
        rest => Err(format!("an operator is missing before {rest}")),
    });
    value.map_err(|message| format!("{text}: {message}"))
}

struct Parser<'a, F> {
    rest: &'a str,
    constant: F,
}

impl<F: Fn(&str) -> Option<i64>> Parser<'_, F> {
    fn sum(&mut self) -> Result<i64> {
        let mut value = self.product()?;
        while let Some(operator) = self.take_one_of(&['+', '-']) {
            value = apply(operator, value, self.product()?)?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<i64> {
        let mut value = self.atom()?;
        while let Some(operator) = self.take_one_of(&['*', '/', '%']) {
            value = apply(operator, value, self.atom()?)?;
        }
        Ok(value)
    }

    /// A number, a name, or a sum in parentheses.
    fn atom(&mut self) -> Result<i64> {
        if self.take_one_of(&['(']).is_some() {
            let value = self.sum()?;
            return self.take_one_of(&[')']).map(|_| value).ok_or_else(|| "a ) is missing".into());
        }
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        match word.parse() {
            Ok(value) => Ok(value),
            Err(_) if word.is_empty() && rest.is_empty() => Err("a value is missing at the end".into()),
            Err(_) if word.is_empty() => Err(format!("a value is missing before {rest}")),
            Err(_) => (self.constant)(word).ok_or_else(|| format!("no constant {word}")),
        }
    }

    /// The next character, if it is one of these, and what follows it comes next.
    fn take_one_of(&mut self, wanted: &[char]) -> Option<char> {
        let next = self.rest.chars().next().filter(|next| wanted.contains(next))?;
        self.rest = self.rest[next.len_utf8()..].trim_start();
        Some(next)
    }
}

fn apply(operator: char, left: i64, right: i64) -> Result<i64> {
    let value = match operator {
        '+' => left.checked_add(right),
        '-' => left.checked_sub(right),
        '*' => left.checked_mul(right),
        '/' => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    value.ok_or_else(|| format!("{left} {operator} {right} has no value"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<i64> {
        value(text, |name| match name {
            "BM" => Some(64),
            "BK_2" => Some(16),
            _ => None,
        })
    }

    #[test]
    fn operators_have_their_precedence() {
        for (text, wanted) in [
            ("7", 7),
            ("BM", 64),
            ("1+2*3", 7),
            ("2*3+1", 7),
            ("(1+2)*3", 9),
            ("10-4-3", 3),
            ("10-(4-3)", 9),
            ("BM/4+1*BK_2", 32),
            ("(BM/4+1)*BK_2", 272),
            ("64/4/8*2", 4),
            ("7-9%4", 6),
            ("(7-9)%4", -2),
            ("2*(3+(4-1)*2)", 18),
            (" ( BM - 1 ) / 8 ", 7),
        ] {
            assert_eq!(of(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn faults_name_the_expression() {
        for (text, message) in [
            ("", ": a value is missing at the end"),
            ("1+", "1+: a value is missing at the end"),
            ("*2", "*2: a value is missing before *2"),
            ("(1+2", "(1+2: a ) is missing"),
            ("1+2)", "1+2): an operator is missing before )"),
            ("2 3", "2 3: an operator is missing before 3"),
            ("4*(N-1)", "4*(N-1): no constant N"),
            ("1/(2-2)", "1/(2-2): 1 / 0 has no value"),
            ("9223372036854775807+1", "9223372036854775807+1: 9223372036854775807 + 1 has no value"),
            ("3x", "3x: no constant 3x"),
            ("BM!", "BM!: an operator is missing before !"),
        ] {
            assert_eq!(of(text).unwrap_err(), message);
        }
    }
}
