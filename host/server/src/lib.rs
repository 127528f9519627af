//! hardpoint-server
