//! hardpoint-store
