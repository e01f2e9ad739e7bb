#pragma once

#include "CoreMinimal.h"
#include "Roles/LiveLinkBasicRole.h"

class ULiveLinkTransformRole : public ULiveLinkBasicRole {};
