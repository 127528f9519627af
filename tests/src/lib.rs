//! hardpoint-tests
