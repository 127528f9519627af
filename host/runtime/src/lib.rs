//! hardpoint-runtime
