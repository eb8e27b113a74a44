//! What a failed command says.

/// The error and what caused it, a line each. Causes that the line above already tells are left out.
pub fn describe(problem: &anyhow::Error) -> String {
    let mut text = format!("error: {problem}");
    let mut above = problem.to_string();
    for cause in problem.chain().skip(1) {
        let cause = cause.to_string();
        if !above.contains(&cause) {
            text.push_str("\ncaused by: ");
            text.push_str(&cause);
        }
        above = cause;
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::describe;

    #[test]
    fn the_chain_is_told_once() {
        let problem =
            Err::<(), _>(anyhow!("disk full")).context("cannot write x").context("cannot save").unwrap_err();
        assert_eq!(describe(&problem), "error: cannot save\ncaused by: cannot write x\ncaused by: disk full");
        let repeated = Err::<(), _>(anyhow!("disk full")).context("cannot write x: disk full").unwrap_err();
        assert_eq!(describe(&repeated), "error: cannot write x: disk full");
    }
}
