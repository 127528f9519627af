//! Mathematics that filters ask for.

use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{Cv, Error};
use jaq_json::{Num, Val, ValR};
use jaq_std::ValT as _;

use crate::library::Data;

/// Functions of one number, or of two, by their names in `libm`.
macro_rules! functions {
    ($($one:ident)*; $($two:ident)*) => {
        pub(crate) fn functions() -> impl Iterator<Item = Fun<Data>> {
            [
                $(run((stringify!($one), v(0), |cv| bome(one(&cv.1, libm::$one)))),)*
                $(run((stringify!($two), v(2), |cv| bome(two(cv, libm::$two)))),)*
            ]
            .into_iter()
        }
    };
}

functions! {
    sqrt cbrt exp exp2 exp10 expm1 log log2 log10 log1p fabs trunc rint
    sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh;
    pow atan2 fmin fmax fmod hypot copysign
}

fn one(value: &Val, function: fn(f64) -> f64) -> ValR {
    Ok(Val::Num(Num::Float(function(number(value)?))))
}

fn two(mut cv: Cv<'_, Data>, function: fn(f64, f64) -> f64) -> ValR {
    let (second, first) = (cv.0.pop_var(), cv.0.pop_var());
    Ok(Val::Num(Num::Float(function(number(&first)?, number(&second)?))))
}

fn number(value: &Val) -> Result<f64, jaq_json::Error> {
    value.as_f64().ok_or_else(|| Error::typ(value.clone(), "number"))
}
