//! What a request used of several models, each at its own prices.

use crate::message::Usage;
use crate::model::Prices;
use crate::money::Credits;

/// Tokens by the prices that they are charged at. A cost is rounded up once for each prices, not for each answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill(Vec<(Prices, Usage)>);

impl Bill {
    /// Adds what a model answered with.
    pub fn add(&mut self, prices: Prices, usage: Usage) {
        match self.0.iter_mut().find(|(known, _)| *known == prices) {
            Some((_, used)) => *used = used.plus(usage),
            None => self.0.push((prices, usage)),
        }
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        other.0.iter().for_each(|(prices, usage)| sum.add(*prices, *usage));
        sum
    }

    /// All tokens together.
    pub fn usage(&self) -> Usage {
        self.0.iter().fold(Usage::default(), |sum, (_, usage)| sum.plus(*usage))
    }

    /// What they cost.
    pub fn cost(&self) -> Credits {
        self.0.iter().map(|(prices, usage)| prices.cost(usage)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage { input_tokens, output_tokens, ..Usage::default() }
    }

    #[test]
    fn each_model_s_tokens_cost_what_that_model_costs() {
        let dear = Prices { input: 10_000_000, cached_input: 0, output: 20_000_000 };
        let cheap = Prices { input: 500_000, cached_input: 0, output: 500_000 };
        let mut bill = Bill::default();
        assert_eq!((bill.usage(), bill.cost()), (Usage::default(), Credits::ZERO));
        bill.add(dear, usage(10, 1));
        bill.add(cheap, usage(1, 0));
        bill.add(cheap, usage(1, 0));
        bill.add(dear, usage(1, 0));
        assert_eq!(bill.usage(), usage(13, 1));
        // Two halves of a micro-credit are one: the rounding is of the sum.
        assert_eq!(bill.cost().micros(), 110 + 20 + 1);
        let (mut one, mut other) = (Bill::default(), Bill::default());
        one.add(cheap, usage(1, 0));
        other.add(cheap, usage(1, 0));
        assert_eq!((one.plus(&other).usage(), one.plus(&other).cost().micros()), (usage(2, 0), 1));
    }
}
