#include "Avatar3DLog.h"

#include "Modules/ModuleManager.h"

DEFINE_LOG_CATEGORY(LogAvatar3D);

IMPLEMENT_MODULE(FDefaultModuleImpl, Avatar3D)
